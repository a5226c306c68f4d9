#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "native/session/session_table.h"
#include "test/native/table_memory.h"

// Each operation with a session in each of its states: done where it is allowed, else refused without a
// changed word. test/session/transitions.test.ts is the same for TypeScript.

namespace millrace {
namespace {

constexpr SessionIdentity kElse{.transport = 9, .connection = 9, .id = {9, 9, 9, 9}};

enum Stage : uint32_t { kOpening, kOpen, kClosing, kClosed, kReleased };
constexpr std::array<const char*, 5> kStages{"opening", "open", "closing", "closed", "released"};

struct Scene {
  TableMemory memory{4};
  SessionTable table = memory.Table();
  SessionClaim owner = memory.Join();
  SessionClaim other = memory.Join();
  SessionHandle handle = table.Allocate(owner).value();

  explicit Scene(uint32_t stage) {
    EXPECT_TRUE(stage < kOpen || table.Open(handle, kIdentity, 1));
    EXPECT_TRUE(stage < kClosing || table.StartClose(handle));
    EXPECT_TRUE(stage < kClosed || table.FinishClose(handle, owner));
    EXPECT_TRUE(stage < kReleased || table.Release(handle, owner));
  }
};

struct Operation {
  const char* name;
  bool (*run)(Scene& scene);
  // Where it is allowed, and the state then; empty for a handle that names nobody.
  std::map<uint32_t, std::optional<SlotState>> legal;
};

std::vector<Operation> Operations() {
  return {
      {"Open",
       [](Scene& scene) { return scene.table.Open(scene.handle, kElse, 7); },
       {{kOpening, SlotState::kOpen}}},
      {"Touch", [](Scene& scene) { return scene.table.Touch(scene.handle, 7); }, {{kOpen, SlotState::kOpen}}},
      {"StartClose",
       [](Scene& scene) { return scene.table.StartClose(scene.handle); },
       {{kOpening, SlotState::kClosing}, {kOpen, SlotState::kClosing}}},
      {"FinishClose",
       [](Scene& scene) { return scene.table.FinishClose(scene.handle, scene.owner); },
       {{kClosing, SlotState::kClosed}}},
      {"FinishClose of another",
       [](Scene& scene) { return scene.table.FinishClose(scene.handle, scene.other); },
       {}},
      {"Release",
       [](Scene& scene) { return scene.table.Release(scene.handle, scene.owner); },
       {{kClosed, std::nullopt}}},
      {"Release of another", [](Scene& scene) { return scene.table.Release(scene.handle, scene.other); }, {}},
  };
}

TEST(SessionTransitions, AreTheLegalOnesAndNoOthers) {
  uint32_t refused = 0;
  for (const Operation& operation : Operations()) {
    for (uint32_t stage = kOpening; stage <= kReleased; ++stage) {
      SCOPED_TRACE(std::string(operation.name) + " of one that is " + kStages.at(stage));
      Scene scene(stage);
      const std::vector<uint8_t> before(scene.memory.bytes(), scene.memory.bytes() + scene.memory.size());
      const auto legal = operation.legal.find(stage);
      EXPECT_EQ(operation.run(scene), legal != operation.legal.end());
      if (legal != operation.legal.end()) {
        EXPECT_EQ(scene.table.Lookup(scene.handle), legal->second);
        continue;
      }
      ++refused;
      EXPECT_TRUE(std::equal(before.begin(), before.end(), scene.memory.bytes()));
    }
  }
  EXPECT_EQ(refused, 29u);
}

TEST(SessionTransitions, LeaveTheNextSessionOfASlotAlone) {
  for (const Operation& operation : Operations()) {
    SCOPED_TRACE(operation.name);
    Scene scene(kReleased);
    while (const std::optional<SessionHandle> next = scene.table.Allocate(scene.owner)) {
      EXPECT_TRUE(scene.table.Open(*next, kIdentity, 1));
    }
    const std::vector<uint8_t> before(scene.memory.bytes(), scene.memory.bytes() + scene.memory.size());
    EXPECT_FALSE(operation.run(scene));
    EXPECT_TRUE(std::equal(before.begin(), before.end(), scene.memory.bytes()));
  }
}

}  // namespace
}  // namespace millrace
