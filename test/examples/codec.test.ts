import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Codec } from "millrace";

const folder = fileURLToPath(new URL("../../../examples/codec/", import.meta.url));

test("examples/codec/words.js speaks sessions by lines that somebody types, and by a client", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, "words.js")], {
    timeout: 60_000,
  });
  assert.equal(stderr, "");
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "MILLRACE millrace-words/1",
    "welcome type=1",
    "message seq=1 :ada said: good morning",
    "bob said: kept, and sent over the next connection",
    "AND A REQUEST",
    "OF TWO LINES",
  ]);
});

test("its codec gives back what it was given, and throws at what is no frame", async () => {
  const { wordsCodec } = (await import(pathToFileURL(join(folder, "words_codec.js")).href)) as {
    wordsCodec: Codec;
  };
  const text = (line: string) => new TextEncoder().encode(line);
  const frames = [
    { kind: 4, flags: 0, channel: 0, type: 0, seq: 0, ref: 0, payload: text("a : b = c") },
    { kind: 200, flags: 128, channel: 3, type: 2 ** 32 - 1, seq: 7, ref: 8, payload: Uint8Array.of(255, 10) },
    { kind: 5, flags: 0, channel: 8, type: 1, seq: 1, ref: 0, payload: text("") },
  ].map((frame) => ({ ...frame, meta: [{ key: "k=1 x", value: Uint8Array.of(0, 1) }] }));
  for (const frame of [...frames, { ...frames[0]!, subject: "room 1" }]) {
    const unit = wordsCodec.encode(frame);
    assert.equal(unit.indexOf(10), unit.length - 1);
    assert.ok(unit.length <= wordsCodec.maxUnitBytes(frame.payload.length));
    assert.deepEqual(wordsCodec.decode(unit), frame);
  }
  for (const line of [
    "",
    "gossip",
    "message seq=x",
    "message seq=4294967296",
    "message huh",
    "message a=b",
    "\xff",
  ]) {
    assert.throws(() => wordsCodec.decode(Uint8Array.from(Buffer.from(line, "latin1"))), line);
  }
});
