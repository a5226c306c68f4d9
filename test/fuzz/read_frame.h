#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "native/frame/generated/frame_generated.h"

namespace millrace {

inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

inline size_t Sum(const flatbuffers::Vector<uint8_t>* bytes) {
  size_t sum = 0;
  if (bytes != nullptr) {
    for (const uint8_t byte : *bytes) sum += byte;
  }
  return sum;
}

// Reads all of a frame that ours passed: Google's verifier must pass it too, and no accessor may leave its
// allocation, which is the frame's alone: one byte beyond it is an error to the sanitizer.
inline void ReadFrame(const std::vector<uint8_t>& bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  Require(wire::VerifySizePrefixedFrameBuffer(verifier),
          "Google's verifier refuses a frame that ours passed");
  const wire::Frame* frame = wire::GetSizePrefixedFrame(bytes.data());
  size_t sum = frame->header()->seq() + Sum(frame->payload());
  if (frame->subject() != nullptr) sum += frame->subject()->str().size();
  if (frame->meta() != nullptr) {
    for (const wire::Entry* entry : *frame->meta()) sum += entry->key()->str().size() + Sum(entry->value());
  }
  static volatile size_t sink;
  sink = sum;
}

}  // namespace millrace
