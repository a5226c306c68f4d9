import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { CloseCode } from "millrace";
import { loadAddon } from "#internal/native/addon.js";
import * as constants from "#internal/native/constants.js";
import * as ring from "#internal/native/ring.js";
import * as table from "#internal/session/table_layout.js";

const native = loadAddon().constants;

/** RING_TAIL_OFFSET → tailOffset. */
function nativeName(name: string): string {
  return name
    .replace(/^RING_/, "")
    .toLowerCase()
    .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

test("the ring lies in memory as C++ has it, number by number", () => {
  const numbers = Object.entries(ring).filter(([, value]) => typeof value === "number");
  assert.deepEqual(
    native.ring,
    Object.fromEntries(numbers.map(([name, value]) => [nativeName(name), value])),
  );
});

test("the session table lies in memory as C++ has it, number by number", () => {
  const numbers = Object.entries(table).filter(([, value]) => typeof value === "number");
  assert.deepEqual(
    native.table,
    Object.fromEntries(numbers.map(([name, value]) => [nativeName(name), value])),
  );
  assert.deepEqual(native.slotState, table.SlotState);
});

test("events, commands, slot words and flags have the numbers of C++, none missing on either side", () => {
  assert.deepEqual(native.event, constants.EventKind);
  assert.deepEqual(native.command, constants.CommandKind);
  assert.deepEqual(native.commandHeader, { bytes: constants.COMMAND_HEADER_BYTES });
  assert.deepEqual(native.slotWord, constants.SlotWord);
  assert.deepEqual(native.flag, constants.Flag);
  assert.deepEqual(native.statistic, constants.Statistic);
  assert.deepEqual(native.acceptance, constants.StreamAcceptance);
  assert.deepEqual(native.datagramOutcome, constants.DatagramOutcome);
  assert.deepEqual(native.datagram, { overheadBytes: constants.DATAGRAM_OVERHEAD_BYTES });
  assert.deepEqual(native.lane, constants.Lane);
  assert.deepEqual(native.lanes, { max: constants.MAX_LANES });
});

test("the close codes that the engine sends mean here what they mean there", () => {
  const known: Readonly<Record<string, number>> = CloseCode;
  assert.ok(Object.keys(native.closeCode!).length > 0);
  for (const [name, code] of Object.entries(native.closeCode!)) assert.equal(code, known[name], name);
});

test("every status that is looked at is one that the engine names, and the other way round", () => {
  const folder = new URL("../../../dist/quic/", import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".js"),
  );
  const sources = files.map((file) => readFileSync(new URL(file, folder), "utf8"));
  const looked = sources.join("\n").matchAll(/\b(?:constants\.status|code)\.([a-z]\w*)\b/g);
  const names = new Set([...looked].map(([, name]) => name!));
  assert.deepEqual([...names].sort(), Object.keys(native.status!).sort());
});

test("a group that is not compared does not exist", () => {
  const compared = [
    ...["ring", "event", "command", "commandHeader", "slotWord", "flag", "acceptance", "datagramOutcome"],
    ...["datagram", "lane", "lanes", "statistic", "closeCode", "status", "table", "slotState"],
  ];
  assert.deepEqual(Object.keys(native).sort(), compared.sort());
});
