#!/usr/bin/env bash
# Builds and runs the tests of native/ three times: plain, under ASan and UBSan, under TSan.
#   scripts/native-tests.sh [--only plain|address|thread] [-- arguments of the test programs]
set -euo pipefail
cd "$(dirname "$0")/.."

names=(plain address thread)
if [[ "${1:-}" == --only ]]; then
  names=("${2:?--only needs plain, address or thread}")
  shift 2
fi
[[ "${1:-}" != -- ]] || shift

declare -A sanitizers=([plain]="" [address]="address,undefined" [thread]="thread")
# A library's sources are compiled as one, which is several times faster; the addon's own build compiles them singly.
# Debug, so that assertions are checked, but with enough optimisation for the stress tests to stress.
for name in "${names[@]}"; do
  if [[ ! -v sanitizers[$name] ]]; then
    echo "native-tests: no such build: $name" >&2
    exit 2
  fi
  build="build/native-$name"
  echo "== $name"
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-g -O1" \
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 -DMILLRACE_ADDON=OFF -DMILLRACE_TESTS=ON -DMILLRACE_SANITIZE="${sanitizers[$name]}" > /dev/null
  cmake --build "$build" --target millrace_native_tests millrace_quic_tests --parallel "${MILLRACE_JOBS:-2}" > "$build/build.log" 2>&1 ||
    { cat "$build/build.log" >&2; exit 1; }
  for program in millrace_native_tests millrace_quic_tests; do
    UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS="halt_on_error=1 suppressions=test/native/tsan.supp" \
      "$build/test/native/$program" --gtest_brief=1 "$@"
  done
done
