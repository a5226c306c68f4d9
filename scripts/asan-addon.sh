#!/usr/bin/env bash
# Builds the addon under ASan and UBSan, beside the one in use, and runs compiled test files with it:
#   scripts/asan-addon.sh [out/test/NAME.test.js ...]
# Our code is instrumented; msquic and OpenSSL, which cargo built, are not, nor is Node. Leaks are not looked for:
# Node leaves its own at exit, and the tests count what must go, also in
# bytes, so what was freed is not kept for long.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/addon-asan
mkdir -p "$build"
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-g -O1" \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 -DMILLRACE_SANITIZE=address,undefined > "$build/build.log"
cmake --build "$build" --target millrace_addon --parallel "${MILLRACE_JOBS:-2}" >> "$build/build.log" 2>&1 ||
  { cat "$build/build.log" >&2; exit 1; }

# Node is not linked with the runtimes, so they come before everything else.
cxx=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
preload=$("$cxx" -print-file-name=libasan.so):$("$cxx" -print-file-name=libubsan.so)
surroundings=(
  "LD_PRELOAD=$preload"
  "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=32"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "MILLRACE_ADDON=$PWD/$build/millrace.node"
)
if (($# == 0)); then
  echo "${surroundings[*]} node --test --test-concurrency=1 FILE..."
  exit 0
fi
exec env "${surroundings[@]}" node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 "$@"
