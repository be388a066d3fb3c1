# BPF objects and their skeletons.
#
# leakbpf_bpf_skeleton(NAME SOURCE) builds SOURCE with clang for the bpf target, makes NAME.skel.h from it with
# bpftool, and an INTERFACE library `NAME_skel` that gives the header's directory. Header dependencies come from
# the compiler's own dependency file.
find_program(LK_BPF_CLANG NAMES clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang REQUIRED)
find_program(LK_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
set(LK_BPF_ARCH_INCLUDE "/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}")

function(leakbpf_bpf_skeleton name source)
    set(dir ${CMAKE_BINARY_DIR}/bpf)
    set(object ${dir}/${name}.bpf.o)
    set(skeleton ${dir}/${name}.skel.h)
    file(MAKE_DIRECTORY ${dir})
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${LK_BPF_CLANG} -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Werror -std=gnu11
                -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/bpf -isystem ${LK_BPF_ARCH_INCLUDE}
                -MD -MT ${object} -MF ${object}.d -c ${source} -o ${object}
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "BPF ${name}"
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${LK_BPFTOOL} gen skeleton ${object} name lk_${name} > ${skeleton}
        DEPENDS ${object}
        COMMENT "skeleton ${name}"
        VERBATIM)
    add_custom_target(${name}_skeleton DEPENDS ${skeleton})
    add_library(${name}_skel INTERFACE)
    target_include_directories(${name}_skel SYSTEM INTERFACE ${dir})
    add_dependencies(${name}_skel ${name}_skeleton)
endfunction()
