import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { InvalidArgumentError } from "#internal/errors.js";
import { checkHandlers } from "#internal/options/handlers.js";
import { nearest } from "#internal/options/nearest.js";
import { readOptions } from "#internal/options/read.js";
import {
  abortSignal,
  flag,
  integer,
  object,
  objectWith,
  oneOf,
  optional,
  powerOfTwo,
  protocolNames,
  withDefault,
} from "#internal/options/schema.js";

const schema = object({
  names: protocolNames,
  timeoutMs: withDefault(integer(1, 100), 10),
  windowBytes: withDefault(powerOfTwo(4, 64), 16),
  mode: withDefault(oneOf("slow", "fast", "reckless"), "slow"),
  loud: optional(flag),
  signal: optional(abortSignal),
  inner: optional(object({ depth: integer(0, 3), width: optional(integer(0, 3)) })),
});

describe("lists", () => {
  it("have no holes, which checks of each item would pass over", () => {
    for (const names of [new Array(3), Object.assign(new Array(2), ["a"]), new Array(4_000_000_000)]) {
      assert.throws(() => readOptions(schema, { names }), InvalidArgumentError);
    }
  });

  it("of protocols fit into the 16-bit length that TLS has for them", () => {
    const names = Array.from({ length: 256 }, (_, index) => String(index).padEnd(255, "x"));
    assert.throws(() => readOptions(schema, { names }), InvalidArgumentError);
    readOptions(schema, { names: names.slice(0, 255) });
  });
});

describe("options", () => {
  it("are read with every default filled in, also for what is given as undefined", () => {
    assert.deepEqual(readOptions(schema, { names: ["a"], mode: undefined }), {
      names: ["a"],
      timeoutMs: 10,
      windowBytes: 16,
      mode: "slow",
    });
    const { signal } = new AbortController();
    const given = { names: ["a"], timeoutMs: 1, windowBytes: 4, mode: "fast", loud: true, signal };
    assert.deepEqual(readOptions(schema, { ...given, inner: { depth: 3 } }), {
      ...given,
      inner: { depth: 3 },
    });
  });

  const names = ["a"];
  for (const [given, said] of [
    [
      undefined,
      "options must be an object {names, timeoutMs, windowBytes, mode, loud, signal, inner}, and not undefined",
    ],
    [7, "options must be an object {names, timeoutMs, windowBytes, mode, loud, signal, inner}, and not 7"],
    [
      {},
      "names must be a list of at least one name of 1 to 255 bytes, 65535 bytes together, and not undefined",
    ],
    [
      { names: [] },
      "names must be a list of at least one name of 1 to 255 bytes, 65535 bytes together, and not an array",
    ],
    [{ names, timeoutMs: 101 }, "timeoutMs must be an integer from 1 to 100, and not 101"],
    [{ names, timeoutMs: "7" }, 'timeoutMs must be an integer from 1 to 100, and not "7"'],
    [{ names, timeoutMs: null }, "timeoutMs must be an integer from 1 to 100, and not null"],
    [{ names, timeoutMs: 1.5 }, "timeoutMs must be an integer from 1 to 100, and not 1.5"],
    [{ names, windowBytes: 5 }, "windowBytes must be a power of two from 4 to 64, and not 5"],
    [{ names, windowBytes: "16" }, 'windowBytes must be a power of two from 4 to 64, and not "16"'],
    [{ names, windowBytes: 128 }, "windowBytes must be a power of two from 4 to 64, and not 128"],
    [{ names, mode: "quick" }, 'mode must be "slow", "fast" or "reckless", and not "quick"'],
    [{ names, loud: 1 }, "loud must be true or false, and not 1"],
    [{ names, signal: {} }, "signal must be an AbortSignal, and not an object"],
    [{ names, inner: 3 }, "inner must be an object {depth, width}, and not 3"],
    [{ names, inner: {} }, "inner.depth must be an integer from 0 to 3, and not undefined"],
    [{ names, inner: { depth: () => 1 } }, "inner.depth must be an integer from 0 to 3, and not a function"],
    [{ names, inner: { depth: 1, widht: 1 } }, 'there is no option "inner.widht"; did you mean width?'],
    [{ names, timeout: 5 }, 'there is no option "timeout"; did you mean timeoutMs?'],
    [{ nams: names }, 'there is no option "nams"; did you mean names?'],
    [{ names, inner: { dept: 1 } }, 'there is no option "inner.dept"; did you mean depth?'],
    [{ names, Loud: true }, 'there is no option "Loud"; did you mean loud?'],
    [
      { names, colour: 5 },
      'there is no option "colour"; there are names, timeoutMs, windowBytes, mode, loud, signal, inner',
    ],
  ] as const) {
    it(`that are wrong are refused: ${said}`, () => {
      assert.throws(
        () => readOptions(schema, given),
        (error) => error instanceof InvalidArgumentError && error.message === said,
      );
    });
  }

  it("that something else gave out may have more than is read of them", () => {
    const endpoint = object({ at: objectWith({ port: integer(1, 9) }) });
    assert.equal(readOptions(endpoint, { at: { port: 7, family: "ipv4" } }).at.port, 7);
    assert.throws(
      () => readOptions(endpoint, { at: { family: "ipv4" } }),
      /at\.port must be an integer from 1 to 9, and not undef/,
    );
    assert.throws(() => readOptions(endpoint, { at: 7 }), /at must be an object with \{port\}, and not 7/);
  });

  it("keep a long value out of the message", () => {
    assert.throws(
      () => readOptions(schema, { names, mode: "x".repeat(10_000) }),
      (error: Error) => error.message.length < 150,
    );
  });

  it("reach a log as one line that does nothing to a terminal, whatever a value has in it", () => {
    for (const sequence of ["\n", "\x1b[2J", "\x7f", "\x9b2J", "\u2028", "\u202e", "\u{e0041}", "\ud800"]) {
      assert.throws(
        () => readOptions(schema, { names: ["a"], mode: `fast${sequence}` }),
        ({ message }: Error) => /"fast\\[^"]+"/.test(message) && !/[\p{C}\p{Zl}\p{Zp}]/u.test(message),
      );
    }
  });
});

it("the nearest name is a few letters away, whatever the case", () => {
  assert.equal(nearest("idleTimeout", ["handshakeTimeoutMs", "idleTimeoutMs"]), "idleTimeoutMs");
  assert.equal(nearest("ALPN", ["alpn", "host"]), "alpn");
  assert.equal(nearest("certificate", ["alpn", "host"]), undefined);
  assert.equal(nearest("x".repeat(100_000), ["alpn"]), undefined);
});

it("a behaviour's handlers must be functions; other members are its own", () => {
  checkHandlers({ open() {}, mine: 7 }, ["open", "close"]);
  for (const [behaviour, said] of [
    [{ close: 7 }, "behaviour.close must be a function, and not 7"],
    [null, "behaviour must be an object of handlers, and not null"],
    [[], "behaviour must be an object of handlers, and not an array"],
  ] as const) {
    assert.throws(
      () => checkHandlers(behaviour, ["open", "close"]),
      (error) => error instanceof InvalidArgumentError && error.message === said,
    );
  }
});

it("a member that nearly has a handler's name is warned of, once for each behaviour that lacks the handler", async () => {
  const warnings: string[] = [];
  const listener = (warning: Error) => void warnings.push(warning.message);
  process.on("warning", listener);
  checkHandlers({ mesage() {}, onClose() {}, helper() {}, open: undefined }, ["open", "close", "message"]);
  checkHandlers({ message() {}, mesage() {} }, ["open", "close", "message"]);
  await setImmediate();
  process.off("warning", listener);
  assert.deepEqual(warnings, [
    "behaviour.mesage is never called; there is message",
    "behaviour.onClose is never called; there is close",
  ]);
});
