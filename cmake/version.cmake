# package.json holds the version, once. The addon carries it, so that a stale binary is told from a fitting one.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/package.json")
file(READ "${CMAKE_CURRENT_SOURCE_DIR}/package.json" _package)
string(JSON MILLRACE_VERSION GET "${_package}" version)
