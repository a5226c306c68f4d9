// The free slots' ring of native/session/free_ring.h by itself: so many threads that take a slot and put it
// back. Prints one line of JSON: {"operationsPerSecond": …}. Arguments: threads, rounds of each, slots.
// bench/sessions/free_ring_subject.ts does the same in JavaScript.

#include "native/session/free_ring.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "native/session/table_layout.h"

int main(int count, char** arguments) {
  using millrace::FreeRing;
  using Clock = std::chrono::steady_clock;
  if (count != 4) return 2;
  const auto thread_count = static_cast<uint32_t>(std::strtoul(arguments[1], nullptr, 10));
  const auto rounds = static_cast<uint32_t>(std::strtoul(arguments[2], nullptr, 10));
  const auto slots = static_cast<uint32_t>(std::strtoul(arguments[3], nullptr, 10));

  std::vector<uint64_t> memory(millrace::TableBytesOf(slots) / 8);
  auto& header = *reinterpret_cast<millrace::TableHeader*>(memory.data());
  auto* const cells = reinterpret_cast<uint32_t*>(memory.data()) +
                      (millrace::kTableHeaderBytes + slots * millrace::kSlotBytes) / sizeof(uint32_t);
  const FreeRing ring(&header.head, &header.tail, cells, millrace::CellCountOf(slots), slots);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (!ring.Put(slot)) return 1;
  }

  std::atomic<uint32_t> ready{0};
  std::atomic<uint32_t> failures{0};
  const auto work = [&] {
    ++ready;
    while (ready.load() < thread_count) {
    }
    for (uint32_t round = 0; round < rounds; ++round) {
      const FreeRing::Taken taken = ring.Take();
      if (taken.outcome != FreeRing::Outcome::kSlot || !ring.Put(taken.slot)) ++failures;
    }
  };
  const auto begun = Clock::now();
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < thread_count; ++thread) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> elapsed = Clock::now() - begun;
  if (failures != 0) return 1;
  std::printf("{\"operationsPerSecond\":%.0f}\n", 2.0 * thread_count * rounds / elapsed.count());
  return 0;
}
