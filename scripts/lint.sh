#!/usr/bin/env bash
# Format, lint and layers: Biome, clang-format, who may include Node-API, dependency-cruiser. --write formats.
set -euo pipefail
cd "$(dirname "$0")/.."

clang_format=$(command -v clang-format-14 || command -v clang-format) || { echo "clang-format is missing" >&2; exit 1; }
mapfile -t cpp < <(git ls-files --cached --others --exclude-standard -- '*.cc' '*.h' '*.c' | grep -v -e /generated/ -e /third_party/)

# `biome ci` colours its output wherever it goes.
[[ -t 1 ]] && colors=force || colors=off

if [[ ${1:-} == --write ]]; then
  npx --no biome check --write .
  "$clang_format" -i "${cpp[@]}"
else
  npx --no biome ci --colors=$colors .
  "$clang_format" --dry-run --Werror "${cpp[@]}"
fi

# The engine tests without Node, so it knows nothing of it.
if grep -rnE --include='*.cc' --include='*.h' '#include [<"](napi|node_api|js_native_api|uv|v8|node)[.h_/]' native; then
  echo "native/ includes Node's headers; only bindings/ may" >&2
  exit 1
fi

npx --no depcruise --config .dependency-cruiser.cjs src
