#!/usr/bin/env bash
# Generates src/frame/generated and native/frame/generated from schemas/, and what the compatibility tests have for
# Python and Go in test/frame/compat and for TypeScript in test/frame/generated, with the flatc that schemas/flatc pins. With --check nothing is written: exits 1 when what is checked in is not what would be generated.
set -euo pipefail
cd "$(dirname "$0")/.."

flatc=$(CMAKE_TOOLCHAIN_FILE=$PWD/schemas/flatc/only.cmake cargo run --quiet --locked --manifest-path schemas/flatc/Cargo.toml --target-dir build/flatc)

# flatc writes TypeScript enums, which are not erasable; a const object reads the same. Its type is any number,
# for a peer of a later version may send one that this version does not name.
enums_to_objects() {
  sed -i -E -e '/^export enum /,/^}/ {
    s/^export enum (\w+) \{/export const \1 = {/
    s/^( *\w+) = ([0-9]+)(,?)$/\1: \2,/
    s/^}$/} as const;/
  }' "$1"
  local name
  name=$(sed -nE 's/^export const (\w+) = \{$/\1/p' "$1")
  echo "export type $name = number;" >>"$1"
}

generate() {
  mkdir -p "$@"
  "$flatc" --cpp --cpp-std c++17 --scoped-enums -o "$2" schemas/frame.fbs
  "$flatc" --ts --ts-omit-entrypoint -o "$3" schemas/frame.fbs
  local file
  grep -lr '^export enum ' "$3" | while read -r file; do enums_to_objects "$file"; done
  "$flatc" --python -o "$4" schemas/frame.fbs
  "$flatc" --go -o "$5" schemas/frame.fbs
  # Frames are read by our own code: of the generated, millrace itself has the kinds alone, and the tests have them of it.
  mkdir -p "$1/millrace/wire"
  mv "$3/millrace/wire/kind.ts" "$1/millrace/wire/kind.ts"
  sed -i "s#'../../millrace/wire/kind.js'#'\#internal/frame/generated/millrace/wire/kind.js'#" "$3/millrace/wire/header.ts"
}

if [[ ${1:-} == --check ]]; then
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  generate "$fresh/"{kinds,cpp,typescript,python,go}
  diff -r "$fresh/kinds" src/frame/generated
  diff -r "$fresh/cpp" native/frame/generated
  diff -r "$fresh/typescript" test/frame/generated
  for language in python go; do
    diff -r --exclude=__pycache__ "$fresh/$language/millrace" "test/frame/compat/$language/millrace"
  done
  echo "The generated code is what schemas/ says."
else
  rm -rf src/frame/generated native/frame/generated test/frame/generated test/frame/compat/{python,go}/millrace
  generate src/frame/generated native/frame/generated test/frame/generated test/frame/compat/{python,go}
fi
