import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRing, RING_MIN_CAPACITY } from "#internal/native/ring.js";
import { Written } from "#internal/session/inbox_writer.js";
import { explore, finish, type Operation } from "./explore.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Writer {
  write(
    kind: number,
    slot: number,
    generation: number,
    sender: number,
    payload: Uint8Array,
  ): Stepped<Written>;
  awaitRoom(payloadBytes: number): Stepped<boolean>;
}

interface Reader {
  readonly slot: number;
  next(): Stepped<boolean>;
  bytes(): Uint8Array;
  release(): Stepped<void>;
  trySleep(): Stepped<boolean>;
  takeStarved(): Stepped<boolean>;
}

type Module = {
  InboxWriter: new (ring: SharedArrayBuffer) => Writer;
  RingReader: new (ring: SharedArrayBuffer) => Reader;
};

type Known = { readonly seen: readonly number[]; readonly woken: number; readonly asleep: boolean };
const fresh: Known = { seen: [], woken: 0, asleep: false };

/** One writes three records; the other reads, sets out to sleep, reads if it did not, and sets out again. */
function exploreInbox(crashes: boolean, mutations: readonly Mutation[] = []) {
  const { InboxWriter, RingReader } = loadStepped<Module>(
    ["session/inbox_writer.js", "native/ring.js"],
    mutations,
  );
  const memory = createRing(RING_MIN_CAPACITY);
  const write = (number: number): Operation<Known> =>
    function* (known) {
      const payload = new Uint8Array(8).fill(number);
      const written = yield* new InboxWriter(memory).write(1, number, 1, 0, payload);
      assert.notEqual(written, Written.noRoom);
      return { ...known, woken: known.woken + (written === Written.wake ? 1 : 0) };
    };
  const read: Operation<Known> = function* (known) {
    if (known.asleep) return known;
    const reader = new RingReader(memory);
    const seen = [...known.seen];
    while (yield* reader.next()) {
      assert.deepEqual([...reader.bytes()], Array(8).fill(reader.slot), "a record came before its bytes");
      seen.push(reader.slot);
    }
    yield* reader.release();
    return { ...known, seen };
  };
  const sleep: Operation<Known> = function* (known) {
    if (known.asleep) return known;
    return { ...known, asleep: yield* new RingReader(memory).trySleep() };
  };
  return explore<Known>({
    memory,
    threads: [
      { known: fresh, operations: [write(1), write(2), write(3)], crashes },
      { known: fresh, operations: [read, sleep, read, sleep] },
    ],
    always([, reader]) {
      assert.deepEqual(reader!.known.seen, [1, 2, 3].slice(0, reader!.known.seen.length), "out of order");
    },
    finally([writer, reader]) {
      const rest = new RingReader(memory);
      const seen = [...reader!.known.seen];
      while (finish(rest.next())) seen.push(rest.slot);
      assert.deepEqual(seen, [1, 2, 3].slice(0, seen.length), "out of order");
      assert.ok(seen.length >= writer!.done, "a record was lost");
      const unread = seen.length > reader!.known.seen.length;
      if (!writer!.crashed && reader!.known.asleep && unread)
        assert.ok(writer!.known.woken > 0, "it sleeps beside a record");
    },
  });
}

describe("an inbox, in every order of its writer and its reader", () => {
  it("carries every record, in order, and wakes a reader that sleeps", () => {
    const { states } = exploreInbox(false);
    assert.ok(states > 300, `only ${states} states`);
  });

  it("shows whole records only, wherever its writer ends", () => {
    exploreInbox(true);
  });

  it("is found out when the reader does not look again after it has set the flag", () => {
    const hasty = {
      file: "native/ring.js",
      from: "if (Atomics.load(this.words, TAIL) === this.#position && Atomics.load(this.words, STARVED) === 0) {",
      to: "if (true) {",
    };
    assert.throws(() => exploreInbox(false, [hasty]), /it sleeps beside a record/);
  });

  it("is found out when the position is stored before the record", () => {
    const early = {
      file: "session/inbox_writer.js",
      from: "this.#data.set(payload, place + RECORD_HEADER_BYTES);",
      to: "Atomics.store(words, TAIL, (this.#tail + skipped + recordBytes) | 0); this.#data.set(payload, place + RECORD_HEADER_BYTES);",
    };
    assert.throws(() => exploreInbox(false, [early]), /before its bytes|padding with no record/);
  });

  it("is found out when the writer looks at the flag before it stores the position", () => {
    const early = {
      file: "session/inbox_writer.js",
      from: "Atomics.store(words, TAIL, this.#tail);\n        if (Atomics.load(words, SLEEPING) === 0)\n            return Written.silently;",
      to: "const flag = Atomics.load(words, SLEEPING); Atomics.store(words, TAIL, this.#tail); if (flag === 0) return Written.silently;",
    };
    assert.throws(() => exploreInbox(false, [early]), /it sleeps beside a record/);
  });
});
