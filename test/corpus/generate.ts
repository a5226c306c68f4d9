// Writes test/corpus/frames and the fuzzer's seeds: node out/test/corpus/generate.js
// The files are checked in: the C++ tests read them, and a TypeScript test compares them with frames.ts.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyFrame } from "#internal/frame/verifier.js";
import { hostileFrames, validFrames } from "./frames.js";
import { digestMutants } from "./mutants.js";

const root = join(import.meta.dirname, "../../../test");

write("corpus/frames/valid", validFrames, (frame) => frame);
write("corpus/frames/hostile", hostileFrames, (frame) => frame);
writeFileSync(join(root, "corpus/mutants.txt"), `${digestMutants(validFrames, verifyFrame).join("\n")}\n`);
// The fuzzer takes one byte that says how to split before the stream.
const all: Readonly<Record<string, Uint8Array>> = { ...validFrames, ...hostileFrames };
const seeds = Object.entries(all).filter(([, frame]) => frame.length <= 2000);
write("fuzz/corpus/splitter", Object.fromEntries(seeds), (frame, index) => {
  return Buffer.concat([Uint8Array.of(index % 64), frame, frame]);
});
write(
  "fuzz/corpus/verifier",
  Object.fromEntries(seeds.filter(([, frame]) => frame.length >= 8)),
  (frame) => frame.subarray(4), // it writes the size prefix itself
);

function write(
  folder: string,
  frames: Readonly<Record<string, Uint8Array>>,
  content: (frame: Uint8Array, index: number) => Uint8Array,
): void {
  const path = join(root, folder);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  for (const [index, [name, frame]] of Object.entries(frames).entries()) {
    writeFileSync(join(path, `${name}.bin`), content(frame, index));
  }
}
