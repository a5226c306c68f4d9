# The msquic C library, built by cargo from the crate msquic-src and cached outside of build/:
# cargo runs only when the crate's manifest changed or the archive is gone.
set(MSQUIC_CRATE_DIR "${CMAKE_CURRENT_SOURCE_DIR}/native/msquic")
set(MSQUIC_TARGET_DIR "${MSQUIC_CRATE_DIR}/target" CACHE PATH "Where cargo puts msquic")

file(SHA256 "${MSQUIC_CRATE_DIR}/Cargo.toml" _msquic_manifest)
file(SHA256 "${MSQUIC_CRATE_DIR}/Cargo.lock" _msquic_lock)
set(_msquic_key "${_msquic_manifest} ${_msquic_lock}")
set(_msquic_stamp "${MSQUIC_TARGET_DIR}/millrace-msquic.txt")

set(MSQUIC_OUT "")
if(EXISTS "${_msquic_stamp}")
  file(STRINGS "${_msquic_stamp}" _msquic_lines)
  list(GET _msquic_lines 0 _msquic_have)
  list(GET _msquic_lines 1 _msquic_where)
  if(_msquic_have STREQUAL _msquic_key)
    set(MSQUIC_OUT "${MSQUIC_TARGET_DIR}/${_msquic_where}")
  endif()
endif()

file(GLOB MSQUIC_ARCHIVE "${MSQUIC_OUT}/lib*/libmsquic.a")
if(NOT MSQUIC_OUT OR NOT MSQUIC_ARCHIVE)
  find_program(CARGO_EXECUTABLE cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
  message(STATUS "Building msquic with cargo (about two minutes, once)")
  # rustc looks for the libnuma.a that msquic-src names, though nothing is linked by it: an empty archive will
  # do, and nobody needs to install libnuma-dev.
  file(WRITE "${MSQUIC_TARGET_DIR}/numa/libnuma.a" "!<arch>\n")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env --unset=MAKEFLAGS --unset=MAKELEVEL --unset=CFLAGS --unset=CXXFLAGS
            "CARGO_ENCODED_RUSTFLAGS=-Lnative=${MSQUIC_TARGET_DIR}/numa"
            "${CARGO_EXECUTABLE}" check --release --locked --message-format=json
            --manifest-path "${MSQUIC_CRATE_DIR}/Cargo.toml" --target-dir "${MSQUIC_TARGET_DIR}"
    OUTPUT_VARIABLE _msquic_json COMMAND_ERROR_IS_FATAL ANY)
  # One JSON object a line; the one of msquic-src's build script names its output directory.
  if(NOT _msquic_json MATCHES "\"reason\":\"build-script-executed\",\"package_id\":\"[^\"]*msquic-src[^\n]*\"out_dir\":\"([^\"]+)\"")
    message(FATAL_ERROR "cargo did not say where it put msquic")
  endif()
  set(MSQUIC_OUT "${CMAKE_MATCH_1}")
  file(RELATIVE_PATH _msquic_relative "${MSQUIC_TARGET_DIR}" "${MSQUIC_OUT}")
  file(WRITE "${_msquic_stamp}" "${_msquic_key}\n${_msquic_relative}\n")
  # lib on Debian, lib64 on Fedora.
  file(GLOB MSQUIC_ARCHIVE "${MSQUIC_OUT}/lib*/libmsquic.a")
endif()

# msquic asks libnuma four questions, and libnuma.a is not position independent: answer them ourselves.
add_library(millrace_numa STATIC "${MSQUIC_CRATE_DIR}/numa_shim.c")

# Holds back the wakes of msquic's workers, where the linker puts it in its place (cmake/msquic-shims.cmake).
add_library(millrace_wake_shim STATIC "${MSQUIC_CRATE_DIR}/wake_shim.c")
target_include_directories(millrace_wake_shim PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")

find_package(Threads REQUIRED)
add_library(msquic INTERFACE)
target_include_directories(msquic SYSTEM INTERFACE
  "${MSQUIC_OUT}/include" "${MSQUIC_OUT}/build/_deps/opensslquic-build/openssl/include")
# BBR, and opening connections in a partition, are declared as preview features; the archive has them.
target_compile_definitions(msquic INTERFACE QUIC_API_ENABLE_PREVIEW_FEATURES=1)
target_link_libraries(msquic INTERFACE "${MSQUIC_ARCHIVE}" millrace_numa Threads::Threads ${CMAKE_DL_LIBS})
if(APPLE)
  target_link_libraries(msquic INTERFACE "-framework CoreFoundation" "-framework Security")
else()
  target_link_libraries(msquic INTERFACE rt)
endif()
