#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "native/quic/certificate_verifier.h"
#include "native/quic/key_log.h"
#include "native/quic/pkcs12.h"
#include "native/quic/server_configurations.h"
#include "test/native/quic/host.h"

namespace millrace {
namespace {

using kit::Handle;
using kit::Host;
using kit::HostEvent;

Ref<ConnectionOptions> Asking() {
  Ref<ConnectionOptions> options = kit::RawOptions();
  options->authenticates = true;
  return options;
}

Configuration::Options ServerThatAsks() {
  Configuration::Options settings = kit::ServerSettings();
  settings.credential.client_certificate = ClientCertificate::kRequest;
  settings.credential.any_peer = true;
  return settings;
}

TEST(Authentication, LetsAConnectionWaitForTheAnswerOnBothSides) {
  Host server;
  Handle asked;
  server.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kPeerCertificate) {
      asked = event.handle;
      server.connection(event.handle)->Authenticate(true, QUIC_TLS_ALERT_CODE_SUCCESS);
    }
    if (event.kind == EventKind::kConnectionOpened) EXPECT_EQ(event.handle, asked);
  };
  Host client;
  bool judged = false;
  bool opened = false;
  client.on_event = [&](const HostEvent& event) {
    if (event.kind == EventKind::kPeerCertificate) {
      judged = true;
      client.connection(event.handle)->Authenticate(true, QUIC_TLS_ALERT_CODE_SUCCESS);
    }
    if (event.kind == EventKind::kConnectionOpened) opened = judged;
  };
  const uint16_t port = server.Listen(Asking(), ServerThatAsks());
  const kit::HostThread thread(server);
  (void)client.Dial(port, Asking());
  EXPECT_TRUE(client.RunUntil([&opened] { return opened; }));
}

// The host's destructor expects that nothing is left of connections that nobody has judged.
TEST(Authentication, OfAnEnvironmentThatEndsIsForgotten) {
  Host client;
  std::atomic<uint32_t> asked = 0;
  {
    Host server;
    server.on_event = [&](const HostEvent& event) {
      if (event.kind == EventKind::kPeerCertificate) asked += 1;
    };
    const uint16_t port = server.Listen(Asking(), ServerThatAsks());
    for (int i = 0; i < 8; ++i) (void)client.Dial(port, kit::RawOptions());
    EXPECT_TRUE(server.RunUntil([&asked] { return asked == 8; }));
  }
  client.Close();
}

TEST(ServerConfigurations, AreFoundByNameThenByWildcardThenByDefault) {
  const Ref<Configuration> fallback = kit::Configure(kit::ServerSettings());
  const Ref<Configuration> exact = kit::Configure(kit::ServerSettings());
  const Ref<Configuration> wildcard = kit::Configure(kit::ServerSettings());
  ServerConfigurations configurations;
  EXPECT_FALSE(configurations.For("a.example"));
  configurations.Add("", fallback);
  EXPECT_EQ(configurations.For("a.example").get(), fallback.get());
  configurations.Add("a.example", exact);
  configurations.Add("*.example", wildcard);
  EXPECT_EQ(configurations.For("A.EXAMPLE.").get(), exact.get());
  EXPECT_EQ(configurations.For("b.example").get(), wildcard.get());
  for (const char* other : {"", ".", "example", "c.b.example", ".example.com"}) {
    EXPECT_EQ(configurations.For(other).get(), fallback.get()) << other;
  }
}

TEST(ReadPkcs12, RefusesWhatIsCutShortOrDamaged) {
  Pkcs12 bundle;
  ASSERT_TRUE(
      Pkcs12::FromPem(kit::TestIdentity().certificate_pem, kit::TestIdentity().private_key_pem, &bundle));
  PemIdentity identity;
  EXPECT_EQ(ReadPkcs12(bundle.der, bundle.password, &identity), Pkcs12Status::kOk);
  EXPECT_EQ(identity.certificate, kit::TestIdentity().certificate_pem);
  EXPECT_EQ(ReadPkcs12(bundle.der, "another", &identity), Pkcs12Status::kWrongPassphrase);
  for (size_t bytes = 0; bytes < bundle.der.size(); bytes += 7) {
    EXPECT_NE(ReadPkcs12({bundle.der.data(), bytes}, bundle.password, &identity), Pkcs12Status::kOk) << bytes;
  }
  for (size_t at = 0; at < bundle.der.size(); at += 13) {
    std::vector<uint8_t> damaged = bundle.der;
    damaged[at] ^= 0x80;
    (void)ReadPkcs12(damaged, bundle.password, &identity);  // whatever it says, it reads no further than that
  }
}

TEST(CertificateVerifier, TakesOnlyCAsThatCanAllBeRead) {
  CredentialOptions options;
  EXPECT_FALSE(CertificateVerifier::Open(options));
  options.ca_pem = kit::TestIdentity().certificate_pem;
  EXPECT_TRUE(CertificateVerifier::Open(options));
  options.ca_pem += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(CertificateVerifier::Open(options));
}

TEST(KeyLog, ThatCannotBeWrittenCostsNothing) {
  QUIC_STATUS status = QUIC_STATUS_SUCCESS;
  EXPECT_FALSE(KeyLog::Open("/nowhere/to/be/found", &status));
  EXPECT_TRUE(QUIC_FAILED(status));
  EXPECT_FALSE(KeyLog::Open("/dev/full", &status)) << "no regular file";
  EXPECT_TRUE(QUIC_FAILED(status));
  const auto full = MakeRef<KeyLog>(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  QUIC_TLS_SECRETS secrets{};
  secrets.SecretLength = 32;
  secrets.IsSet.ClientRandom = 1;
  secrets.IsSet.ClientTrafficSecret0 = 1;
  full->Append(secrets);
}

}  // namespace
}  // namespace millrace
