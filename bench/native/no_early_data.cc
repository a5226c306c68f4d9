// What the changed tls_openssl.c asks the addon (native/quic/early_data_hooks.cc): a floor has no early data.

extern "C" {

int millrace_allows_early_data(void*) {
  return 0;
}
void millrace_early_data_result(void*, int) {}
}
