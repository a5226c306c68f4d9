# Puts native/msquic/trace_shim.c in the place of what msquic computes for traces that it is built without:
# docs/decisions/msquic-patches.md. Apple's linker cannot wrap; there it is paid for.
add_library(msquic_traces INTERFACE)
if(NOT APPLE)
  add_library(msquic_trace_shim STATIC "${MSQUIC_CRATE_DIR}/trace_shim.c")
  target_link_libraries(msquic_traces INTERFACE msquic_trace_shim)
  foreach(trace QuicStreamSetGetFlowControlSummary QuicFrameLogAll QuicPacketLogHeader)
    target_link_options(msquic_traces INTERFACE "LINKER:--wrap=${trace}")
  endforeach()
endif()
