#include "test/native/quic/kit.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <semaphore>

namespace millrace::kit {

Library& OpenLibrary() {
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  if (Library* library = Library::Open(&status)) return *library;
  std::fprintf(stderr, "msquic refused to open, status %u\n", status);
  std::abort();
}

void OnControl(const std::function<void()>& task) {
  std::binary_semaphore done{0};
  OpenLibrary().control().Post([&] {
    task();
    done.release();
  });
  done.acquire();
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    // A round through a millisecond's timer: the threads that are waited for get the processor.
    std::binary_semaphore turn{0};
    OpenLibrary().control().PostAfter(std::chrono::milliseconds(1), [&turn] { turn.release(); });
    turn.acquire();
  }
  return true;
}

void Signal::Raise() {
  const std::lock_guard lock(mutex_);
  up_ = true;
  raised_ += 1;
  condition_.notify_one();  // under the lock: the waiter may be the last owner
}

bool Signal::Wait(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const bool came = condition_.wait_until(lock, deadline, [this] { return up_; });
  up_ = false;
  return came;
}

uint64_t Signal::raised() const {
  const std::lock_guard lock(mutex_);
  return raised_;
}

PortMemory::PortMemory(uint32_t capacity, uint32_t slots)
    : ring(kRingHeaderBytes + capacity), slot_words(slots * kSlotWords * sizeof(int32_t)) {
  if (!FormatRing(ring.bytes().data(), ring.bytes().size())) std::abort();
}

void PortMemory::TakeAway() {
  ring.TakeAway();
  slot_words.TakeAway();
}

namespace {

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const auto bytes = static_cast<size_t>(BIO_get_mem_data(bio, &data));
  std::string text(data, bytes);
  BIO_free(bio);
  return text;
}

Identity MakeIdentity() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());

  Identity identity;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  identity.certificate_pem = TextOf(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  identity.private_key_pem = TextOf(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

Configuration::Options CommonSettings() {
  Configuration::Options options;
  options.alpns = {"millrace-test"};
  options.settings.idle_timeout_ms = 30'000;
  options.settings.handshake_timeout_ms = 20'000;
  options.settings.peer_bidi_streams = 64;
  options.settings.peer_uni_streams = 64;
  options.settings.stream_window_bytes = 256u << 10;
  options.settings.connection_window_bytes = 4u << 20;
  options.settings.datagrams = true;
  return options;
}

}  // namespace

const Identity& TestIdentity() {
  static const Identity identity = MakeIdentity();
  return identity;
}

Configuration::Options ServerSettings() {
  Configuration::Options options = CommonSettings();
  options.credential.server = true;
  options.credential.certificate_pem = TestIdentity().certificate_pem;
  options.credential.private_key_pem = TestIdentity().private_key_pem;
  return options;
}

Configuration::Options ClientSettings() {
  Configuration::Options options = CommonSettings();
  options.credential.any_peer = true;
  return options;
}

Ref<Configuration> Configure(const Configuration::Options& options) {
  OpenLibrary();
  Ref<Configuration> configuration;
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  OnControl([&] { configuration = Configuration::Open(options, &status); });
  EXPECT_TRUE(configuration) << "status " << status;
  return configuration;
}

}  // namespace millrace::kit
