#!/usr/bin/env bash
# Generates src/frame/generated and native/frame/generated from schemas/, with the flatc that schemas/flatc
# pins. With --check nothing is written: exits 1 when what is checked in is not what would be generated.
set -euo pipefail
cd "$(dirname "$0")/.."

flatc=$(cargo run --quiet --locked --manifest-path schemas/flatc/Cargo.toml --target-dir build/flatc)

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
  mkdir -p "$1" "$2"
  "$flatc" --ts --ts-omit-entrypoint -o "$1" schemas/frame.fbs
  local file
  grep -lr '^export enum ' "$1" | while read -r file; do enums_to_objects "$file"; done
  "$flatc" --cpp --cpp-std c++17 --scoped-enums -o "$2" schemas/frame.fbs
}

if [[ ${1:-} == --check ]]; then
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  generate "$fresh/ts" "$fresh/cpp"
  diff -r "$fresh/ts" src/frame/generated
  diff -r "$fresh/cpp" native/frame/generated
  echo "The generated code is what schemas/ says."
else
  rm -rf src/frame/generated native/frame/generated
  generate src/frame/generated native/frame/generated
fi
