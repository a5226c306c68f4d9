#!/usr/bin/env bash
# What the addon shows to the process that loads it: its two Node-API entry points, nothing of OpenSSL (Node
# has its own), no unloading under msquic's threads, no library that a user's system may lack.
set -euo pipefail
cd "$(dirname "$0")/.."

addon=${1:-build/cmake/millrace.node}
fail() { echo "$addon: $1" >&2; exit 1; }
[[ -f $addon ]] || fail "not built; run npm run setup"

exports=$(nm -D --defined-only "$addon" | awk '{ print $3 }' | sort)
dynamic=$(readelf -dW "$addon")
libraries=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" | sort)
flags=$(sed -n 's/.*(FLAGS_1) *//p' <<<"$dynamic")
glibc=$(nm -D --undefined-only "$addon" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 || true)

echo "exports:   ${exports//$'\n'/ }"
echo "libraries: ${libraries//$'\n'/ }"
echo "FLAGS_1:  $flags"
echo "needs:     ${glibc:-no glibc}"

[[ $exports == $'napi_register_module_v1\nnode_api_module_get_api_version_v1' ]] ||
  fail "exports other than the two Node-API entry points"
# Undefined ones count too: they would be found in Node, whose OpenSSL is another.
openssl=$(nm -D "$addon" | awk '{ print $NF }' | grep -E '^(SSL|EVP|OPENSSL|CRYPTO|BIO|X509|ERR)_' || true)
[[ -z $openssl ]] || fail "has OpenSSL's symbols: ${openssl//$'\n'/ }"
grep -qw NODELETE <<<"$flags" || fail "can be unloaded: not linked with -z nodelete"
! grep -E '^lib(numa|stdc\+\+|gcc_s)\.' <<<"$libraries" || fail "depends on a library that a system may lack"
required=$(sed -n 's/^const requiredGlibc = "\(.*\)";$/\1/p' src/native/addon.ts)
[[ -z $glibc || $glibc == "GLIBC_$required" ]] || fail "needs $glibc, but src/native/addon.ts tells users of $required"
