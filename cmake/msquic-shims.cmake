# Puts functions of ours in the place of some of msquic's, in the addon: docs/decisions/msquic-patches.md. Apple's linker
# cannot wrap; there everything is as msquic has it.
add_library(msquic_shims INTERFACE)
if(NOT APPLE)
  add_library(msquic_trace_shim STATIC "${MSQUIC_CRATE_DIR}/trace_shim.c")
  target_link_libraries(msquic_shims INTERFACE msquic_trace_shim)
  foreach(function QuicStreamSetGetFlowControlSummary QuicFrameLogAll QuicPacketLogHeader CxPlatWakeExecutionContext)
    target_link_options(msquic_shims INTERFACE "LINKER:--wrap=${function}")
  endforeach()
endif()
