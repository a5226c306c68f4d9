#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "native/quic/configuration.h"
#include "native/quic/event_port.h"
#include "native/quic/library.h"
#include "native/quic/resource.h"
#include "test/native/quic/pages.h"

// What the tests of the engine share. Nothing here sleeps: whoever waits is woken, and a deadline only says
// that it was not.
namespace millrace::kit {

constexpr std::chrono::seconds kDeadline{30};

// The library, opened; a test program that cannot open it ends.
Library& OpenLibrary();

// Runs it on the library's control thread and waits for it.
void OnControl(const std::function<void()>& task);
// Asks again after each turn of the control thread, until it is true or the deadline has passed.
[[nodiscard]] bool Eventually(const std::function<bool()>& condition);

// What a sleeping thread is woken by. Any thread.
class Signal {
 public:
  void Raise();
  // Takes the signal. False when it did not come in time.
  [[nodiscard]] bool Wait(std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] uint64_t raised() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable condition_;
  bool up_ = false;
  uint64_t raised_ = 0;
};

class SignalWaker final : public Waker {
 public:
  explicit SignalWaker(std::shared_ptr<Signal> signal) : signal_(std::move(signal)) {}
  void Wake() noexcept override { signal_->Raise(); }

 private:
  std::shared_ptr<Signal> signal_;
};

// What was done to a probe. Outlives it.
struct Record {
  std::atomic<int> resumed{0};
  std::atomic<int> completed{0};
  std::atomic<uint64_t> completed_bytes{0};
  std::atomic<int> abandoned{0};
  std::atomic<int> destroyed{0};
  Signal resume;
};

// A resource that does nothing but record.
class Probe final : public Resource {
 public:
  Probe(Ref<EventPort> port, Record& record)
      : Resource(Kind::kConnection, std::move(port)), record_(record) {}
  ~Probe() override { record_.destroyed += 1; }

  void ResumeReceive() noexcept override {
    record_.resumed += 1;
    record_.resume.Raise();
  }
  void ReturnCredit(uint32_t) noexcept override {}
  void OnSendComplete(uint32_t bytes) noexcept override {
    record_.completed += 1;
    record_.completed_bytes += bytes;
  }
  void OnOutOfMemory() noexcept override {}
  void Abandon() noexcept override { record_.abandoned += 1; }

 private:
  Record& record_;
};

// A ring and slot words, formatted, with the port that writes into them.
struct PortMemory {
  explicit PortMemory(uint32_t capacity = kRingMinCapacity, uint32_t slots = 8);
  [[nodiscard]] RingReader Reader() { return *RingReader::Open(ring.bytes().data(), ring.bytes().size()); }
  void TakeAway();

  Pages ring;
  Pages slot_words;
};

// A self-signed certificate for localhost, made once.
struct Identity {
  std::string certificate_pem;
  std::string private_key_pem;
};
const Identity& TestIdentity();

// Settings for a test's connections; the client accepts any certificate.
[[nodiscard]] Configuration::Options ServerSettings();
[[nodiscard]] Configuration::Options ClientSettings();
[[nodiscard]] Ref<Configuration> Configure(const Configuration::Options& options);

}  // namespace millrace::kit
