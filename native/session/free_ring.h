#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

// The free slots, first in, first out, for any number of threads of C++ and JavaScript;
// src/session/free_ring.ts is the same algorithm and says how it works. What it holds are hints, so an entry
// that is there twice or not at all does no harm: the slot's own claim decides who has it.
//
// All words are accessed seq_cst, as JavaScript's Atomics are. The exchange of a cell carries nothing but the
// cell's own value, so no fence has to order anything beside it.

namespace millrace {

class FreeRing {
 public:
  enum class Outcome { kSlot, kEmpty, kDamaged };
  struct Taken {
    Outcome outcome;
    uint32_t slot;
  };

  // `cell_count` is a power of two, more than slot_count. The memory is the caller's.
  FreeRing(uint32_t* head, uint32_t* tail, uint32_t* cells, uint32_t cell_count, uint32_t slot_count) noexcept
      : head_(head), tail_(tail), cells_(cells), mask_(cell_count - 1), slot_count_(slot_count) {}

  // False when there is no room, which only damage and entries that are there twice bring about.
  [[nodiscard]] bool Put(uint32_t slot) const noexcept {
    for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
      const uint32_t tail = Word(*tail_).load();
      uint32_t cell = Cell(tail).load();
      const uint32_t lap = tail & ~mask_;
      if (cell == lap) {
        if (!Cell(tail).compare_exchange_strong(cell, lap | (slot + 1))) continue;
        MoveOn(tail_, tail);
        return true;
      }
      const uint32_t cell_lap = cell & ~mask_;
      if (cell_lap == lap || cell_lap == lap + mask_ + 1) {
        MoveOn(tail_, tail);
      } else if (Word(*tail_).load() == tail) {
        return false;
      }
    }
    return false;
  }

  [[nodiscard]] Taken Take() const noexcept {
    for (uint32_t turn = 0; turn < kMaxTurns; ++turn) {
      const uint32_t head = Word(*head_).load();
      uint32_t cell = Cell(head).load();
      const uint32_t lap = head & ~mask_;
      const uint32_t next_lap = lap + mask_ + 1;
      if ((cell & ~mask_) == lap) {
        if ((cell & mask_) == 0) {
          if (Word(*head_).load() == head) return {Outcome::kEmpty, 0};
          continue;
        }
        const uint32_t slot = (cell & mask_) - 1;
        if (!Cell(head).compare_exchange_strong(cell, next_lap)) continue;
        MoveOn(head_, head);
        if (slot >= slot_count_) return {Outcome::kDamaged, 0};
        return {Outcome::kSlot, slot};
      }
      if ((cell & ~mask_) == next_lap) {
        MoveOn(head_, head);
      } else if (Word(*head_).load() == head) {
        return {Outcome::kDamaged, 0};
      }
    }
    return {Outcome::kDamaged, 0};
  }

 private:
  // Each turn without progress is another thread's progress, unless the words are damaged.
  static constexpr uint32_t kMaxTurns = 1'000'000;

  [[nodiscard]] static std::atomic_ref<uint32_t> Word(uint32_t& word) noexcept {
    return std::atomic_ref<uint32_t>(word);
  }
  [[nodiscard]] std::atomic_ref<uint32_t> Cell(uint32_t position) const noexcept {
    return Word(cells_[position & mask_]);
  }
  static void MoveOn(uint32_t* word, uint32_t from) noexcept {
    static_cast<void>(Word(*word).compare_exchange_strong(from, from + 1));
  }

  uint32_t* head_;
  uint32_t* tail_;
  uint32_t* cells_;
  uint32_t mask_;
  uint32_t slot_count_;
};

}  // namespace millrace
