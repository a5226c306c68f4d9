#include "native/quic/pkcs12.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "native/quic/openssl_ptr.h"

namespace millrace {
namespace {

std::string RandomPassword() noexcept {
  unsigned char random[24];
  if (RAND_bytes(random, sizeof(random)) != 1) return {};
  std::string password;
  for (const unsigned char byte : random) password += static_cast<char>('a' + byte % 26);
  return password;
}

std::string TextOf(BIO* bio) noexcept {
  char* data = nullptr;
  const auto bytes = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(bytes)};
}

// Old files are encrypted with RC2 or single DES, which OpenSSL keeps in a provider that is not here.
bool IsUnsupported(uint64_t error) noexcept {
  return ERR_GET_LIB(error) == ERR_LIB_EVP && ERR_GET_REASON(error) == ERR_R_UNSUPPORTED;
}

}  // namespace

PemIdentity::~PemIdentity() {
  OPENSSL_cleanse(private_key.data(), private_key.size());
}

Pkcs12::~Pkcs12() {
  OPENSSL_cleanse(der.data(), der.size());
  OPENSSL_cleanse(password.data(), password.size());
}

bool Pkcs12::FromPem(std::string_view certificate_pem, std::string_view private_key_pem,
                     Pkcs12* out) noexcept {
  const BioPtr certificates = ReaderOf(certificate_pem);
  const BioPtr keys = ReaderOf(private_key_pem);
  const X509Ptr certificate(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  const KeyPtr key(PEM_read_bio_PrivateKey(keys.get(), nullptr, nullptr, nullptr));
  const CertificatesPtr chain(sk_X509_new_null());
  if (!certificate || !key || !chain) return false;
  while (X509* next = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) {
    // msquic takes the chain from its end, so the last goes first.
    if (sk_X509_unshift(chain.get(), next) == 0) X509_free(next);
  }
  ERR_clear_error();  // the end of the text is reported as one
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

Pkcs12Status ReadPkcs12(std::span<const uint8_t> der, const std::string& passphrase,
                        PemIdentity* out) noexcept {
  const BioPtr reader = ReaderOf({reinterpret_cast<const char*>(der.data()), der.size()});
  const Pkcs12Ptr bundle(d2i_PKCS12_bio(reader.get(), nullptr));
  if (!bundle) {
    ERR_clear_error();
    return Pkcs12Status::kUnreadable;
  }
  EVP_PKEY* raw_key = nullptr;
  X509* raw_certificate = nullptr;
  STACK_OF(X509)* raw_chain = nullptr;
  const int parsed = PKCS12_parse(bundle.get(), passphrase.c_str(), &raw_key, &raw_certificate, &raw_chain);
  const KeyPtr key(raw_key);
  const X509Ptr certificate(raw_certificate);
  const CertificatesPtr chain(raw_chain);
  if (parsed != 1) {
    const bool unsupported = IsUnsupported(ERR_peek_error()) || IsUnsupported(ERR_peek_last_error());
    const bool wrong = ERR_GET_REASON(ERR_peek_last_error()) == PKCS12_R_MAC_VERIFY_FAILURE;
    ERR_clear_error();
    if (wrong) return Pkcs12Status::kWrongPassphrase;
    return unsupported ? Pkcs12Status::kUnsupported : Pkcs12Status::kUnreadable;
  }
  if (!key || !certificate) return Pkcs12Status::kIncomplete;
  const BioPtr certificates(BIO_new(BIO_s_mem()));
  const BioPtr keys(BIO_new(BIO_s_secmem()));
  if (!certificates || !keys) return Pkcs12Status::kUnreadable;
  bool written =
      PEM_write_bio_X509(certificates.get(), certificate.get()) == 1 &&
      PEM_write_bio_PKCS8PrivateKey(keys.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  for (int i = 0; i < sk_X509_num(chain.get()); ++i) {
    written = written && PEM_write_bio_X509(certificates.get(), sk_X509_value(chain.get(), i)) == 1;
  }
  if (!written) return Pkcs12Status::kUnreadable;
  out->certificate = TextOf(certificates.get());
  out->private_key = TextOf(keys.get());
  return Pkcs12Status::kOk;
}

}  // namespace millrace
