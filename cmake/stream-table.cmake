# msquic keeps, from its first stream on, a hash table of 128 buckets for every connection: 2 KB, a fifth of an idle
# one. Its table grows by itself, so 8 buckets to begin with do as well. The addon links this copy of the one source
# file, with three lines changed, in front of the archive's. See docs/decisions/msquic-stream-table.md.
set(_table_source "${MSQUIC_OUT}/upstream/src/platform/hashtable.c")
set(_table_copy "${CMAKE_CURRENT_BINARY_DIR}/msquic/hashtable.c")
file(READ "${_table_source}" _table)

function(replace_once what with)
  string(FIND "${_table}" "${what}" _first)
  string(FIND "${_table}" "${what}" _last REVERSE)
  if(_first EQUAL -1 OR NOT _first EQUAL _last)
    message(FATAL_ERROR "msquic's hashtable.c is not the one that is known here: \"${what}\"")
  endif()
  string(REPLACE "${what}" "${with}" _table "${_table}")
  set(_table "${_table}" PARENT_SCOPE)
endfunction()

# 2^20 - 1 times 8 buckets: as many at the most as before.
replace_once("#define HT_FIRST_LEVEL_DIR_SIZE   16" "#define HT_FIRST_LEVEL_DIR_SIZE   20")
replace_once("#define HT_SECOND_LEVEL_DIR_SHIFT  7" "#define HT_SECOND_LEVEL_DIR_SHIFT  3")
# The callers, compiled into the archive, ask for 128.
replace_once("    CXPLAT_HASH_MIN_SIZE == BASE_HASH_TABLE_SIZE," "    CXPLAT_HASH_MIN_SIZE > BASE_HASH_TABLE_SIZE,")
replace_once("    // Initial size must be a power of two and within the allowed range.\n    //\n"
             "    // Initial size must be a power of two and within the allowed range.\n    //\n    InitialSize = InitialSize == CXPLAT_HASH_MIN_SIZE ? BASE_HASH_TABLE_SIZE : InitialSize$<SEMICOLON>\n")
string(REPLACE "$<SEMICOLON>" ";" _table "${_table}")
file(WRITE "${_table_copy}.new" "${_table}")
execute_process(COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${_table_copy}.new" "${_table_copy}")

add_library(msquic_stream_table OBJECT "${_table_copy}")
target_include_directories(msquic_stream_table SYSTEM PRIVATE
  "${MSQUIC_OUT}/upstream/src/inc" "${MSQUIC_OUT}/upstream/src/platform")
target_compile_definitions(msquic_stream_table PRIVATE _GNU_SOURCE QUIC_EVENTS_STUB QUIC_LOGS_STUB NDEBUG
  $<$<PLATFORM_ID:Linux>:CX_PLATFORM_LINUX> $<$<PLATFORM_ID:Darwin>:CX_PLATFORM_DARWIN>)
target_compile_options(msquic_stream_table PRIVATE -w -O3 -fms-extensions -ffunction-sections -fdata-sections)
