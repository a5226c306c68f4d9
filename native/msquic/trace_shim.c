// msquic computes for its traces (reads every packet's header and frames a second time, sums up the flow
// control windows of all streams after every acknowledgement) even where it is built without them, as here:
// the macros that should say so are always true then. With 100 streams that is a fifth of a server's time.
// The linker puts these functions in the place of msquic's (--wrap, see cmake/msquic-shims.cmake); nobody
// reads what they would compute.
#include <stdint.h>

void __wrap_QuicStreamSetGetFlowControlSummary(const void* streams, uint64_t* available, uint64_t* window);
void __wrap_QuicFrameLogAll(void* connection, uint8_t received, uint64_t number, uint16_t length,
                            const uint8_t* packet, uint16_t offset);
void __wrap_QuicPacketLogHeader(void* connection, uint8_t received, uint8_t id_length, uint64_t number,
                                uint16_t length, const uint8_t* packet, uint32_t version);

void __wrap_QuicStreamSetGetFlowControlSummary(const void* streams, uint64_t* available, uint64_t* window) {
  (void)streams;
  *available = 0;
  *window = 0;
}

void __wrap_QuicFrameLogAll(void* connection, uint8_t received, uint64_t number, uint16_t length,
                            const uint8_t* packet, uint16_t offset) {
  (void)connection, (void)received, (void)number, (void)length, (void)packet, (void)offset;
}

void __wrap_QuicPacketLogHeader(void* connection, uint8_t received, uint8_t id_length, uint64_t number,
                                uint16_t length, const uint8_t* packet, uint32_t version) {
  (void)connection, (void)received, (void)id_length, (void)number, (void)length, (void)packet, (void)version;
}
