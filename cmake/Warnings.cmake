# leakbpf_target(NAME): the warnings, sanitizers and include paths that all of our targets share.
function(leakbpf_target name)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Werror)
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/userspace ${PROJECT_SOURCE_DIR}/include)
    if(LEAKBPF_SANITIZE)
        target_compile_options(${name} PUBLIC -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
        # g++ 12 takes the standard library's own variables for uninitialised once sanitizers have rewritten its code.
        target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
        target_link_options(${name} PUBLIC -fsanitize=address,undefined)
    endif()
endfunction()
