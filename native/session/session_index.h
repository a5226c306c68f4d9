#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "native/memory/large_pages.h"

namespace millrace {

// 128 bits of a session's or a client's id, and which of the two it is.
struct SessionKey {
  uint64_t low;
  uint64_t high;
  uint32_t kind;

  friend bool operator==(const SessionKey&, const SessionKey&) = default;
};

// Ids → handles, for the whole process: open addressing in 64 shards, each behind a lock of its own that is
// held for one operation. No JavaScript runs under a lock, so a thread that is terminated leaves none behind.
//
// Hashes are seeded, since clients choose their ids. An entry whose handle is stale is as good as free:
// `is_live` says so, and the entry is used again where one is needed, at the latest when its shard would
// grow.
class SessionIndex {
 public:
  explicit SessionIndex(uint64_t seed) : seed_(seed) {}

  // Replaces what the id named before; with `keeps` only where that is stale. Returns it where it is not,
  // else 0.
  template <typename IsLive>
  uint64_t Assign(const SessionKey& key, uint64_t handle, const IsLive& is_live, bool keeps = false) {
    const uint64_t hash = HashOf(key);
    Shard& shard = ShardOf(hash);
    const std::unique_lock lock(shard.mutex);
    if (Entry* const known = Find(shard, key, hash)) {
      const uint64_t before = is_live(known->handle) ? known->handle : 0;
      if (before == 0 || !keeps) known->handle = handle;
      return before;
    }
    if (shard.used >= shard.entries.size() / 4 * 3) Rehash(shard, is_live);
    Insert(shard, {key, handle});
    return 0;
  }

  // The handle, or 0. It may be stale.
  [[nodiscard]] uint64_t Find(const SessionKey& key) const {
    const uint64_t hash = HashOf(key);
    Shard& shard = ShardOf(hash);
    const std::shared_lock lock(shard.mutex);
    const Entry* const entry = Find(shard, key, hash);
    return entry == nullptr ? 0 : entry->handle;
  }

  // False when the id does not name this handle.
  bool Erase(const SessionKey& key, uint64_t handle) {
    const uint64_t hash = HashOf(key);
    Shard& shard = ShardOf(hash);
    const std::unique_lock lock(shard.mutex);
    Entry* const entry = Find(shard, key, hash);
    if (entry == nullptr || entry->handle != handle) return false;
    CloseGap(shard, static_cast<size_t>(entry - shard.entries.data()));
    --shard.used;
    return true;
  }

  // Stale ones counted.
  [[nodiscard]] size_t size() const {
    size_t size = 0;
    for (Shard& shard : shards_) {
      const std::shared_lock lock(shard.mutex);
      size += shard.used;
    }
    return size;
  }

 private:
  struct Entry {
    SessionKey key{};
    uint64_t handle = 0;  // 0: free
  };
  using Entries = std::vector<Entry, LargePageAllocator<Entry>>;
  struct Shard {
    std::shared_mutex mutex;
    Entries entries = Entries(kFirstEntries);  // a power of two
    size_t used = 0;
  };

  static constexpr size_t kShards = 64;
  static constexpr size_t kFirstEntries = 16;

  [[nodiscard]] uint64_t HashOf(const SessionKey& key) const noexcept {
    const auto mix = [](uint64_t value) {
      value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
      value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
      return value ^ (value >> 32);
    };
    return mix(mix(mix(seed_ ^ key.low) + key.high) + key.kind + seed_);
  }
  [[nodiscard]] Shard& ShardOf(uint64_t hash) const noexcept { return shards_[hash >> 58]; }

  [[nodiscard]] static Entry* Find(Shard& shard, const SessionKey& key, uint64_t hash) noexcept {
    const size_t mask = shard.entries.size() - 1;
    for (size_t at = hash & mask; shard.entries[at].handle != 0; at = (at + 1) & mask) {
      if (shard.entries[at].key == key) return &shard.entries[at];
    }
    return nullptr;
  }

  void Insert(Shard& shard, const Entry& entry) const noexcept {
    const size_t mask = shard.entries.size() - 1;
    size_t at = HashOf(entry.key) & mask;
    while (shard.entries[at].handle != 0) at = (at + 1) & mask;
    shard.entries[at] = entry;
    ++shard.used;
  }

  // Moves back what stands behind a gap only because of what was in it.
  void CloseGap(Shard& shard, size_t gap) const noexcept {
    const size_t mask = shard.entries.size() - 1;
    for (size_t at = (gap + 1) & mask; shard.entries[at].handle != 0; at = (at + 1) & mask) {
      const size_t home = HashOf(shard.entries[at].key) & mask;
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      shard.entries[gap] = shard.entries[at];
      gap = at;
    }
    shard.entries[gap] = Entry{};
  }

  // Keeps the live entries, in twice the room when they fill more than half.
  template <typename IsLive>
  void Rehash(Shard& shard, const IsLive& is_live) const {
    Entries before;
    before.swap(shard.entries);
    std::erase_if(before, [&](const Entry& entry) { return entry.handle == 0 || !is_live(entry.handle); });
    size_t size = kFirstEntries;
    while (size < (before.size() + 1) * 2) size *= 2;
    shard.entries.assign(size, Entry{});
    shard.used = 0;
    for (const Entry& entry : before) Insert(shard, entry);
  }

  const uint64_t seed_;
  mutable std::array<Shard, kShards> shards_;
};

}  // namespace millrace
