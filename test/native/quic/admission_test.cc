#include "native/quic/admission.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace millrace {
namespace {

QUIC_ADDR Address(const char* text) {
  QUIC_ADDR address{};
  EXPECT_TRUE(QuicAddrFromString(text, 4433, &address)) << text;
  return address;
}

bool SameKey(const char* a, const char* b) {
  return AddressKey(Address(a)) == AddressKey(Address(b));
}

TEST(AddressKey, IsAnIpv4AddressInWhateverForm) {
  EXPECT_TRUE(SameKey("192.0.2.1", "192.0.2.1"));
  EXPECT_TRUE(SameKey("192.0.2.1", "::ffff:192.0.2.1"));
  EXPECT_FALSE(SameKey("192.0.2.1", "192.0.2.2"));
  EXPECT_FALSE(SameKey("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
}

TEST(AddressKey, IsTheFirst64BitsOfAnIpv6Address) {
  EXPECT_TRUE(SameKey("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
  EXPECT_FALSE(SameKey("2001:db8::1", "2001:db8:0:1::1"));
  EXPECT_FALSE(SameKey("::1", "0.0.0.0")) << "the same bits of another family";
}

TEST(AddressKey, IsTheInterfaceOfALinkLocalAddress) {
  EXPECT_TRUE(SameKey("fe80::1", "fe80::1"));
  EXPECT_FALSE(SameKey("fe80::1", "fe80::2"));
}

TEST(AddressKey, FallsElsewhereWithEachSeed) {
  const AddressKey key(Address("192.0.2.1"));
  EXPECT_EQ(key.Hash(1), AddressKey(Address("::ffff:192.0.2.1")).Hash(1));
  EXPECT_NE(key.Hash(1), key.Hash(2));
}

std::optional<Admissions::Place> Admit(Admissions& admissions, const QUIC_ADDR& address) {
  FailedBy reached{};
  return admissions.Admit(address, &reached);
}

TEST(Admissions, RefuseAndCountWhatIsAboveEachLimit) {
  const auto admissions = MakeRef<Admissions>(
      AdmissionLimits{.connections = 5, .connections_per_address = 3, .handshakes_per_address = 2});
  const QUIC_ADDR one = Address("192.0.2.1");
  const QUIC_ADDR two = Address("192.0.2.2");
  std::vector<Admissions::Place> places;
  const auto admit = [&](const QUIC_ADDR& address) {
    std::optional<Admissions::Place> place = Admit(*admissions, address);
    if (place) places.push_back(std::move(*place));
    return place.has_value();
  };
  EXPECT_TRUE(admit(one) && admit(one));
  EXPECT_FALSE(admit(one));
  EXPECT_EQ(admissions->refused().handshakes_per_address, 1u);
  EXPECT_TRUE(admit(two)) << "another address has handshakes of its own";
  places[0].HandshakeDone();
  places[0].HandshakeDone();  // once only
  EXPECT_TRUE(admit(one));
  places[1].HandshakeDone();
  EXPECT_FALSE(admit(one));
  EXPECT_EQ(admissions->refused().connections_per_address, 1u);
  EXPECT_TRUE(admit(two));
  EXPECT_FALSE(admit(Address("192.0.2.3")));
  EXPECT_EQ(admissions->refused().connections, 1u);
  EXPECT_EQ(admissions->addresses(), 2u);
  places.clear();
  EXPECT_EQ(admissions->addresses(), 0u) << "an address without a connection takes no memory";
  EXPECT_TRUE(admit(one) && admit(one));
}

TEST(Admissions, KeepCountWhenThreadsComeAndGo) {
  const auto admissions = MakeRef<Admissions>(AdmissionLimits{.connections = 100});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&admissions, t] {
      QUIC_ADDR address = Address("192.0.2.0");
      for (int i = 0; i < 5'000; ++i) {
        address.Ipv4.sin_addr.s_addr = static_cast<uint32_t>(i % (7 + t));
        std::optional<Admissions::Place> place = Admit(*admissions, address);
        ASSERT_TRUE(place);
        if (i % 2 == 0) place->HandshakeDone();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admissions->addresses(), 0u);
  EXPECT_EQ(admissions->refused().connections, 0u);
}

}  // namespace
}  // namespace millrace
