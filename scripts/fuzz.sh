#!/usr/bin/env bash
# Fuzzes the frame splitter under ASan and UBSan: scripts/fuzz.sh [--seconds N], 60 by default. The seeds in
# test/fuzz/corpus are read only; what is found goes to build/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
case "$#:${1:-}" in
  0:) ;;
  2:--seconds) seconds=$2 ;;
  *)
    echo "usage: scripts/fuzz.sh [--seconds N]" >&2
    exit 2
    ;;
esac

clang=$(command -v clang++ || compgen -c clang++- | sort -V | tail -1 || true)
if [[ -z $clang ]]; then
  echo "scripts/fuzz.sh needs clang with its sanitizers: on Debian, apt-get install clang" >&2
  exit 1
fi

cmake -S . -B build/fuzz -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_C_COMPILER="${clang/++/}" -DMILLRACE_FUZZ=ON \
  -DMILLRACE_ADDON=OFF >/dev/null
cmake --build build/fuzz --target splitter_fuzz -j 2
mkdir -p build/fuzz/corpus/splitter
build/fuzz/test/fuzz/splitter_fuzz -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 -timeout=5 \
  -artifact_prefix=build/fuzz/ build/fuzz/corpus/splitter test/fuzz/corpus/splitter
