# leakbpf_target(NAME): the warnings, sanitizers and include paths that all of our targets share.
function(leakbpf_target name)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Werror)
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/userspace ${PROJECT_SOURCE_DIR}/include)
    if(LEAKBPF_SANITIZE)
        target_compile_options(${name} PUBLIC -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
        # g++ 12 warns of the standard library's own code once sanitizers have rewritten it; the other builds are
        # where a warning is an error.
        target_compile_options(${name} PRIVATE -Wno-error -Wno-maybe-uninitialized)
        target_link_options(${name} PUBLIC -fsanitize=address,undefined)
    endif()
endfunction()
