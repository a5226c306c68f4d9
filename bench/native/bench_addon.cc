// The two ways to hand 64-byte events from a native thread to JavaScript that `bench/ring.ts` compares:
// records in a ring, one wake for each sleep of the reader; and one napi_threadsafe_function call for each
// event.

#include <node_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "native/ring/ring.h"

namespace {

constexpr uint32_t kEventBytes = 64;
constexpr uint16_t kEventKind = 1;
constexpr size_t kQueuedCalls =
    8192;  // a bounded queue is the faster one: its producer waits instead of allocating

void Require(napi_status status) {
  if (status != napi_ok) std::abort();
}

/** A native thread with the function it calls. It is joined when the function is finalized, on the JS thread.
 */
struct Producer {
  napi_threadsafe_function function = nullptr;
  uint32_t count = 0;
  uint32_t batch = 1;
  bool carries_bytes = false;
  std::optional<millrace::RingWriter> ring;
  napi_ref ring_memory = nullptr;
  std::thread thread;
};

void Finalize(napi_env env, void* data, void*) {
  auto* producer = static_cast<Producer*>(data);
  producer->thread.join();
  if (producer->ring_memory) napi_delete_reference(env, producer->ring_memory);
  delete producer;
}

void Wake(Producer* producer) {
  Require(napi_call_threadsafe_function(producer->function, nullptr, napi_tsfn_blocking));
}

/** Waits for room as a bench may: the engine pauses the stream instead. */
uint8_t* ReserveWithPatience(Producer* producer) {
  uint8_t* to = producer->ring->Reserve(kEventBytes);
  while (!to) {
    if (producer->ring->Publish()) Wake(producer);
    std::this_thread::yield();
    to = producer->ring->Reserve(kEventBytes);
  }
  return to;
}

void ProduceRecords(Producer* producer) {
  for (uint32_t i = 0; i < producer->count; i += 1) {
    uint8_t* to = ReserveWithPatience(producer);
    std::memset(to, 0, kEventBytes);
    std::memcpy(to, &i, sizeof(i));
    millrace::RecordHeader header{};
    header.length = kEventBytes;
    header.kind = kEventKind;
    producer->ring->Stage(header);
    if (i % producer->batch != producer->batch - 1 && i + 1 != producer->count) continue;
    if (producer->ring->Publish()) Wake(producer);
  }
  Require(napi_release_threadsafe_function(producer->function, napi_tsfn_release));
}

void ProduceCalls(Producer* producer) {
  for (uint32_t i = 0; i < producer->count; i += 1) {
    void* event = reinterpret_cast<void*>(static_cast<uintptr_t>(i));
    if (producer->carries_bytes) {
      event = std::calloc(1, kEventBytes);
      std::memcpy(event, &i, sizeof(i));
    }
    Require(napi_call_threadsafe_function(producer->function, event, napi_tsfn_blocking));
  }
  Require(napi_release_threadsafe_function(producer->function, napi_tsfn_release));
}

void CallWithEvent(napi_env env, napi_value function, void* context, void* event) {
  if (!env) return;
  napi_value argument = nullptr;
  if (static_cast<Producer*>(context)->carries_bytes) {
    Require(napi_create_buffer_copy(env, kEventBytes, event, nullptr, &argument));
    std::free(event);
  } else {
    Require(napi_create_uint32(env, static_cast<uint32_t>(reinterpret_cast<uintptr_t>(event)), &argument));
  }
  napi_value receiver = nullptr;
  Require(napi_get_undefined(env, &receiver));
  Require(napi_call_function(env, receiver, function, 1, &argument, nullptr));
}

void CreateFunction(napi_env env, napi_value callback, Producer* producer,
                    napi_threadsafe_function_call_js call) {
  napi_value name = nullptr;
  Require(napi_create_string_utf8(env, "bench", NAPI_AUTO_LENGTH, &name));
  Require(napi_create_threadsafe_function(env, callback, nullptr, name, kQueuedCalls, 1, producer, Finalize,
                                          producer, call, &producer->function));
}

/** produceRecords(ring: Int32Array, count, batch, wake: () => void): publishes after every `batch` records.
 */
napi_value StartRecords(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  Require(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
  auto producer = std::make_unique<Producer>();
  void* memory = nullptr;
  size_t words = 0;
  Require(napi_get_typedarray_info(env, arguments[0], nullptr, &words, &memory, nullptr, nullptr));
  Require(napi_get_value_uint32(env, arguments[1], &producer->count));
  Require(napi_get_value_uint32(env, arguments[2], &producer->batch));
  producer->ring = millrace::RingWriter::Open(static_cast<uint8_t*>(memory), words * sizeof(int32_t));
  if (!producer->ring || producer->batch == 0) {
    napi_throw_type_error(env, nullptr, "expected a formatted ring and a batch of at least one");
    return nullptr;
  }
  Require(napi_create_reference(env, arguments[0], 1, &producer->ring_memory));
  CreateFunction(env, arguments[3], producer.get(), nullptr);
  producer->thread = std::thread(ProduceRecords, producer.get());
  static_cast<void>(producer.release());  // Finalize deletes it
  return nullptr;
}

/** produceCalls(count, carriesBytes, receive): calls receive(Buffer), or receive(number) where no bytes are
 * carried. */
napi_value StartCalls(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  Require(napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr));
  auto producer = std::make_unique<Producer>();
  Require(napi_get_value_uint32(env, arguments[0], &producer->count));
  Require(napi_get_value_bool(env, arguments[1], &producer->carries_bytes));
  CreateFunction(env, arguments[2], producer.get(), CallWithEvent);
  producer->thread = std::thread(ProduceCalls, producer.get());
  static_cast<void>(producer.release());  // Finalize deletes it
  return nullptr;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  Require(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
  Require(napi_set_named_property(env, exports, name, function));
}

}  // namespace

NAPI_MODULE_INIT() {
  Export(env, exports, "produceRecords", StartRecords);
  Export(env, exports, "produceCalls", StartCalls);
  return exports;
}
