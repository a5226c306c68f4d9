#include "native/quic/credential.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <memory>

namespace millrace {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
void FreeChain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}

using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using ChainPtr = std::unique_ptr<STACK_OF(X509), Freer<FreeChain>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, Freer<PKCS12_free>>;

BioPtr Reader(std::string_view pem) noexcept {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::string RandomPassword() noexcept {
  unsigned char random[24];
  if (RAND_bytes(random, sizeof(random)) != 1) return {};
  std::string password;
  for (const unsigned char byte : random) password += static_cast<char>('a' + byte % 26);
  return password;
}

}  // namespace

Pkcs12::~Pkcs12() {
  OPENSSL_cleanse(der.data(), der.size());
  OPENSSL_cleanse(password.data(), password.size());
}

bool Pkcs12::FromPem(std::string_view certificate_pem, std::string_view private_key_pem,
                     Pkcs12* out) noexcept {
  const BioPtr certificates = Reader(certificate_pem);
  const BioPtr keys = Reader(private_key_pem);
  const X509Ptr certificate(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  const KeyPtr key(PEM_read_bio_PrivateKey(keys.get(), nullptr, nullptr, nullptr));
  const ChainPtr chain(sk_X509_new_null());
  if (!certificate || !key || !chain) return false;
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) {
    sk_X509_push(chain.get(), next);
  }
  out->password = RandomPassword();
  if (out->password.empty()) return false;
  // One iteration: the password guards nothing that leaves this function's callers.
  const Pkcs12Ptr bundle(PKCS12_create(out->password.c_str(), nullptr, key.get(), certificate.get(),
                                       chain.get(), 0, 0, 1, 1, 0));
  if (!bundle) return false;
  const int bytes = i2d_PKCS12(bundle.get(), nullptr);
  if (bytes <= 0) return false;
  out->der.resize(static_cast<size_t>(bytes));
  unsigned char* to = out->der.data();
  return i2d_PKCS12(bundle.get(), &to) == bytes;
}

}  // namespace millrace
