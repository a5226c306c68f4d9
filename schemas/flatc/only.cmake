# What flatc's build reads as a toolchain file (its crate has no options): the compiler alone, not the library, its
# tests and its samples beside it.
set(FLATBUFFERS_BUILD_TESTS OFF CACHE BOOL "")
set(FLATBUFFERS_BUILD_FLATLIB OFF CACHE BOOL "")
