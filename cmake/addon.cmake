# The Node addon: bindings/ over the engine, one file for every Node from 20 on (Node-API 8).
find_program(NODE_EXECUTABLE node REQUIRED)
execute_process(
  COMMAND "${NODE_EXECUTABLE}" -p
          "const{resolve,dirname}=require('path');[require('node-api-headers').include_dir,dirname(require.resolve('node-addon-api/package.json'))].map(d=>resolve(d)).join(';')"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" OUTPUT_VARIABLE NODE_API_INCLUDES OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)

include(cmake/version.cmake)

file(GLOB MILLRACE_BINDING_SOURCES CONFIGURE_DEPENDS bindings/*.cc)
add_library(millrace_addon MODULE ${MILLRACE_BINDING_SOURCES})
set_target_properties(millrace_addon PROPERTIES OUTPUT_NAME millrace PREFIX "" SUFFIX ".node"
                      LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
target_include_directories(millrace_addon SYSTEM PRIVATE ${NODE_API_INCLUDES})
target_compile_definitions(millrace_addon PRIVATE NAPI_VERSION=8 NODE_ADDON_API_DISABLE_DEPRECATED
                                                  NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
                                                  # A thread that is being terminated cannot be thrown at, and
                                                  # every call of Node-API fails there: no reason to abort.
                                                  NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
                                                  MILLRACE_VERSION="${MILLRACE_VERSION}")
include(cmake/msquic-patches.cmake)
include(cmake/msquic-shims.cmake)
target_link_libraries(millrace_addon PRIVATE msquic_patches millrace_quic msquic_shims)
if(APPLE)
  target_link_options(millrace_addon PRIVATE -undefined dynamic_lookup)
else()
  # exports.map hides OpenSSL's symbols from Node's own; nodelete keeps the code mapped under msquic's threads.
  target_link_options(millrace_addon PRIVATE
    "LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/bindings/exports.map" "LINKER:--exclude-libs,ALL"
    "LINKER:-z,nodelete" "LINKER:-z,now" "LINKER:-z,relro" "LINKER:--gc-sections")
  if(NOT MILLRACE_SANITIZE)
    target_link_options(millrace_addon PRIVATE -static-libgcc -static-libstdc++)
  endif()
endif()
