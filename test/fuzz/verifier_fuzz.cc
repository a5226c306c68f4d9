// Verifies what follows a size prefix that is right, so that the fuzzer goes straight for the tables. What
// passes must pass Google's verifier and be readable to its last field; a hot frame must be a valid one by
// the general rules too; and a byte less or more is never valid.

#include <cstdint>
#include <cstring>
#include <vector>

#include "native/frame/hot_frame.h"
#include "native/frame/verifier.h"
#include "test/fuzz/read_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  std::vector<uint8_t> frame(hot_frame::kSizePrefixBytes + size);
  const uint32_t prefix = static_cast<uint32_t>(size);
  std::memcpy(frame.data(), &prefix, sizeof(prefix));
  if (size > 0) std::memcpy(frame.data() + sizeof(prefix), data, size);
  const FrameStatus status = VerifyFrame(frame.data(), frame.size());
  Require(*Name(status) != '\0', "a status has no name");
  if (status != FrameStatus::kValid) {
    Require(!IsHotFrame(frame.data(), frame.size()), "a hot frame is not valid");
    return 0;
  }
  ReadFrame(frame);
  if (IsHotFrame(frame.data(), frame.size())) {
    FrameHeader header;
    std::memcpy(&header, frame.data() + hot_frame::kHeaderOffset, sizeof(header));
    const uint32_t payload_bytes = LoadU32(frame.data() + hot_frame::kPayloadLengthOffset);
    std::vector<uint8_t> written(hot_frame::kHeadBytes + payload_bytes);
    WriteHotHead(written.data(), header, payload_bytes);
    Require(IsHotFrame(written.data(), written.size()), "what is written anew is no hot frame");
    Require(std::memcmp(written.data() + hot_frame::kHeaderOffset, frame.data() + hot_frame::kHeaderOffset,
                        hot_frame::kHeadBytes - hot_frame::kHeaderOffset) == 0,
            "what is written anew says something else");
  }
  Require(VerifyFrame(frame.data(), frame.size() - 1) == FrameStatus::kBadSize, "a frame cut short is valid");
  frame.push_back(0);
  Require(VerifyFrame(frame.data(), frame.size()) == FrameStatus::kBadSize,
          "a frame with a byte more is valid");
  return 0;
}
