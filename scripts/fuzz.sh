#!/usr/bin/env bash
# Fuzzes the frame splitter and the verifier under ASan and UBSan, one after the other:
#   scripts/fuzz.sh [--minutes N | --seconds N]   together, 1 minute by default
#   scripts/fuzz.sh --coverage                    what the seeds and all that was found so far reach; fails below 95 %
# The seeds in test/fuzz/corpus are read only; what is found goes to build/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(splitter verifier)
amount=60
unit=1
coverage=false
case "$#:${1:-}" in
  0:) ;;
  1:--coverage) coverage=true ;;
  2:--seconds) amount=$2 ;;
  2:--minutes) amount=$2 unit=60 ;;
  *)
    echo "usage: scripts/fuzz.sh [--minutes N | --seconds N | --coverage]" >&2
    exit 2
    ;;
esac

if ! [[ $amount =~ ^[1-9][0-9]*$ ]]; then
  echo "scripts/fuzz.sh: a whole number of minutes or seconds above 0 is needed, and not $amount" >&2
  exit 2
fi
seconds=$((amount * unit))

clang=$(command -v clang++ || compgen -c clang++- | sort -V | tail -1 || true)
if [[ -z $clang ]]; then
  echo "scripts/fuzz.sh needs clang with its sanitizers: on Debian, apt-get install clang" >&2
  exit 1
fi

# build FOLDER [CMake options]
build() {
  local folder=$1
  shift
  cmake -S . -B "$folder" -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_C_COMPILER="${clang/++/}" -DMILLRACE_FUZZ=ON \
    -DMILLRACE_ADDON=OFF "$@" >/dev/null
  cmake --build "$folder" --target "${targets[@]/%/_fuzz}" -j 2
}

if $coverage; then
  suffix=$(basename "$clang") suffix=${suffix#clang++}
  if ! command -v "llvm-cov$suffix" >/dev/null; then
    echo "scripts/fuzz.sh --coverage needs llvm-cov$suffix: on Debian, apt-get install llvm$suffix" >&2
    exit 1
  fi
  build build/fuzz-coverage -DMILLRACE_FUZZ_COVERAGE=ON
  programs=build/fuzz-coverage/test/fuzz
  for target in "${targets[@]}"; do
    mkdir -p "build/fuzz/corpus/$target"
    LLVM_PROFILE_FILE="build/fuzz-coverage/$target.profraw" "$programs/${target}_fuzz" -runs=0 \
      "build/fuzz/corpus/$target" "test/fuzz/corpus/$target" 2>/dev/null
  done
  "llvm-profdata$suffix" merge -o build/fuzz-coverage/all.profdata build/fuzz-coverage/*.profraw
  "llvm-cov$suffix" report "$programs/splitter_fuzz" -object "$programs/verifier_fuzz" \
    -instr-profile build/fuzz-coverage/all.profdata native/frame/*.cc native/frame/*.h |
    tee build/fuzz-coverage/report.txt
  # Behind the regions' and functions' shares comes that of the lines.
  awk '/^TOTAL/ { exit $10 + 0 < 95 } ' build/fuzz-coverage/report.txt ||
    { echo "scripts/fuzz.sh: less than 95 % of the lines are covered" >&2; exit 1; }
  exit
fi

build build/fuzz
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  "build/fuzz/test/fuzz/${target}_fuzz" -max_total_time=$((seconds / ${#targets[@]})) -max_len=4096 \
    -print_final_stats=1 -timeout=5 -artifact_prefix="build/fuzz/$target-" \
    "build/fuzz/corpus/$target" "test/fuzz/corpus/$target"
done
