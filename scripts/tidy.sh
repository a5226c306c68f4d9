#!/usr/bin/env bash
# clang-tidy over native/ and bindings/, as the compile database of build/cmake compiles them.
# With arguments: only files whose path contains one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

clang_tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "clang-tidy is missing" >&2; exit 1; }
[[ -f build/cmake/compile_commands.json ]] || { echo "build first: npm run setup" >&2; exit 1; }

mapfile -t files < <(git ls-files --cached --others --exclude-standard -- 'native/*.cc' 'bindings/*.cc' | grep -v /generated/)
if (($# > 0)); then
  mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -F "$(printf '%s\n' "$@")")
  ((${#files[@]} > 0)) || { echo "scripts/tidy.sh: no file's path contains $*" >&2; exit 2; }
fi

# Of each file it says how many warnings it did not show, those of other people's headers.
printf '%s\n' "${files[@]}" |
  xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 "$clang_tidy" -p build/cmake --quiet 2>&1 |
  sed -u -E '/^[0-9]+ warnings? generated\.$/d'
