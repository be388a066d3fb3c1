# systemd units name the program by its whole path, which is known when it is installed: cmake --install may be given
# another prefix than the build was.
function(leakbpf_unit name)
    set(made ${CMAKE_BINARY_DIR}/packaging/installed/${name})
    install(CODE "
        set(LEAKBPF_SBINDIR \"\${CMAKE_INSTALL_PREFIX}/sbin\")
        configure_file(\"${PROJECT_SOURCE_DIR}/packaging/${name}.in\" \"${made}\" @ONLY)")
    install(FILES ${made} DESTINATION lib/systemd/system)
    # For the tests, of the program that was built.
    set(LEAKBPF_SBINDIR ${CMAKE_BINARY_DIR}/userspace)
    configure_file(${PROJECT_SOURCE_DIR}/packaging/${name}.in ${CMAKE_BINARY_DIR}/packaging/${name} @ONLY)
endfunction()
