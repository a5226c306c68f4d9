import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  createRing,
  RING_HEAD_OFFSET,
  RING_HEADER_BYTES,
  RING_MIN_CAPACITY,
  RING_SLEEPING_OFFSET,
  RING_TAIL_OFFSET,
} from "#internal/native/ring.js";
import { Written } from "#internal/session/inbox_writer.js";
import { type Explored, explore, exploresAll, finish, type Operation } from "./explore.js";
import { loadStepped, type Mutation, type Stepped } from "./stepped.js";

interface Writer {
  write(
    kind: number,
    slot: number,
    generation: number,
    sender: number,
    payload: Uint8Array,
  ): Stepped<Written>;
  stage(
    kind: number,
    slot: number,
    generation: number,
    sender: number,
    payload: Uint8Array,
  ): Stepped<boolean>;
  isAtMark(): Stepped<boolean>;
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

/** A thread's own words of the rings that it uses, how many records it wrote or read there, and whether it waits. */
type Known = {
  readonly positions: readonly number[];
  readonly counts: readonly number[];
  readonly blocked: boolean;
};

interface Scene {
  readonly writers: number;
  readonly writes: number;
  readonly payloadBytes: number;
  /** How often the reader is called: once to begin with, and when it was woken. */
  readonly calls: number;
  readonly crashes?: boolean;
  /** Whether a writer waits when it is told that the ring is at its mark, or goes on until nothing is taken. */
  readonly heedsMark?: boolean;
  /** Whether a writer stages a record before each that it writes, to publish both at once. */
  readonly pairs?: boolean;
  readonly mutations?: readonly Mutation[];
}

const TAIL = RING_TAIL_OFFSET >> 2;
const HEAD = RING_HEAD_OFFSET >> 2;
const [WOKEN, DRAINED] = [0, 1];

/**
 * Environments that write to another, which reads all its inboxes in turn, as Sessions does: one ring for each pair of
 * them. A second reader would share no word with the first, so it would only multiply the orders.
 *
 * Readers and writers remember their positions; here they are made anew for each operation, at the position that their
 * thread knows, so that an operation has no memory but that.
 */
function exploreInboxes(scene: Scene): Explored {
  const {
    writers,
    writes,
    payloadBytes,
    calls,
    crashes = false,
    heedsMark = false,
    pairs = false,
    mutations = [],
  } = scene;
  const files = ["session/inbox_writer.js", "native/ring.js"];
  const { InboxWriter, RingReader } = loadStepped<Module>(files, mutations);
  const inboxes = Array.from({ length: writers }, () => createRing(RING_MIN_CAPACITY));
  const signals = new Int32Array(new SharedArrayBuffer(8 + 4 * writers));

  const made = <Side>(
    Class: new (ring: SharedArrayBuffer) => Side,
    ring: SharedArrayBuffer,
    at: number,
  ): Side => {
    const words = new Int32Array(ring);
    const [tail, head] = [words[TAIL]!, words[HEAD]!];
    words[TAIL] = at;
    words[HEAD] = (Class as unknown) === RingReader ? at : 0; // A writer's notion of the head may be as old as that.
    const side = new Class(ring);
    words[TAIL] = tail;
    words[HEAD] = head;
    return side;
  };

  const write = (sender: number): Operation<Known> =>
    function* (known) {
      const ring = inboxes[sender]!;
      if (known.blocked && (yield () => Atomics.exchange(signals, DRAINED + sender, 0)) === 0) return known;
      let number = known.counts[0]! + 1;
      const writer = made(InboxWriter, ring, known.positions[0]!);
      if (known.blocked && (yield* writer.awaitRoom(payloadBytes))) return known;
      if (pairs) {
        assert.ok(yield* writer.stage(1, number, 1, sender, new Uint8Array(payloadBytes).fill(number)));
        number += 1;
      }
      // Large ones are of zeros, so that nobody has to watch them.
      const payload = new Uint8Array(payloadBytes).fill(payloadBytes > 8 ? 0 : number);
      for (;;) {
        const written = yield* writer.write(1, number, 1, sender, payload);
        if (written === Written.wake) yield () => Atomics.store(signals, WOKEN, 1);
        if (written !== Written.noRoom) break;
        if (yield* writer.awaitRoom(payloadBytes)) return { ...known, blocked: true };
      }
      const position = (yield () => Atomics.load(new Int32Array(ring), TAIL)) as number;
      const blocked = heedsMark && (yield* writer.isAtMark()) && (yield* writer.awaitRoom(0));
      return { positions: [position], counts: [number], blocked };
    };

  const receive = (isFirst: boolean): Operation<Known> =>
    function* (known) {
      if ((yield () => Atomics.exchange(signals, WOKEN, 0)) === 0 && !isFirst) return known;
      const positions = [...known.positions];
      const counts = [...known.counts];
      for (const [sender, ring] of inboxes.entries()) {
        const reader = made(RingReader, ring, positions[sender]!);
        do {
          while (yield* reader.next()) {
            counts[sender]! += 1;
            assert.equal(reader.slot, counts[sender], "out of order");
            if (payloadBytes > 8) continue;
            const read = Object.assign(() => reader.bytes().join(), { immediate: true } as const);
            const bytes = (yield read) as string;
            assert.equal(
              bytes,
              Array(payloadBytes).fill(reader.slot).join(),
              "a record came before its bytes",
            );
          }
          yield* reader.release();
          if (yield* reader.takeStarved()) yield () => Atomics.store(signals, DRAINED + sender, 1);
        } while (!(yield* reader.trySleep()));
        positions[sender] = (yield () => Atomics.load(new Int32Array(ring), HEAD)) as number;
      }
      return { positions, counts, blocked: false };
    };

  return explore<Known>({
    watched: [
      ...inboxes.flatMap((ring) => wordsOf(ring, pairs ? 2 * writes : writes, payloadBytes)),
      signals,
    ],
    threads: [
      {
        known: { positions: inboxes.map(() => 0), counts: inboxes.map(() => 0), blocked: false },
        operations: Array.from({ length: calls }, (_, call) => receive(call === 0)),
      },
      ...inboxes.map((_, sender) => ({
        known: { positions: [0], counts: [0], blocked: false },
        operations: Array.from({ length: writes }, () => write(sender)),
        crashes,
      })),
    ],
    finally([reader, ...states]) {
      const isIdle = Atomics.load(signals, WOKEN) === 0;
      for (const [sender, ring] of inboxes.entries()) {
        const { known, crashed } = states[sender]!;
        let seen = reader!.known.counts[sender]!;
        const rest = made(RingReader, ring, reader!.known.positions[sender]!);
        const unread = finish(rest.next());
        for (let more = unread; more; more = finish(rest.next())) {
          seen += 1;
          assert.equal(rest.slot, seen, "out of order");
        }
        assert.ok(seen >= known.counts[0]!, "a record was lost");
        if (crashed || !isIdle) continue;
        assert.ok(!unread, "it sleeps beside a record");
        const isTold = Atomics.load(signals, DRAINED + sender) !== 0;
        assert.ok(!known.blocked || isTold, "its writer waits beside room");
      }
    },
  });
}

/** The words of a ring that change: its own, and of the records those that are not zeros. */
function wordsOf(ring: SharedArrayBuffer, writes: number, payloadBytes: number): Int32Array[] {
  const own = [TAIL, HEAD, RING_SLEEPING_OFFSET >> 2].map((at) => new Int32Array(ring, at * 4, 2));
  const recordBytes = 24 + ((payloadBytes + 7) & -8);
  const fit = Math.min(writes, Math.floor(RING_MIN_CAPACITY / recordBytes) + 1);
  const records = Array.from({ length: fit }, (_, index) => RING_HEADER_BYTES + index * recordBytes);
  return [...own, ...records.map((at) => new Int32Array(ring, at, payloadBytes > 8 ? 6 : recordBytes >> 2))];
}

const small: Scene = { writers: 1, writes: 3, payloadBytes: 8, calls: 3 };
/** Three fill a ring, and the next begins behind padding where it ends. */
const large: Scene = { writers: 1, writes: 4, payloadBytes: 20_000, calls: 3 };

describe("inboxes, in every order of their writers and their reader", () => {
  it("carry every record, in order, and wake a reader that sleeps", () => {
    const each = exploresAll ? 3 : 2;
    const { states } = exploreInboxes({ ...small, writers: 2, writes: each, calls: each });
    assert.ok(states > 500_000, `only ${states} states`);
    exploreInboxes({ ...small, writes: 4, calls: 4 });
  });

  it("carry records that are published together, and wake for them", () => {
    exploreInboxes({ ...small, pairs: true, crashes: true });
  });

  it("show whole records only, wherever their writers end", () => {
    exploreInboxes({ ...small, crashes: true });
    exploreInboxes({ ...large, crashes: true });
  });

  it("tell a writer that found no room when there is some, and carry records around the end of the ring", () => {
    const { states } = exploreInboxes({ ...large, writes: 5 });
    assert.ok(states > 500_000, `only ${states} states`);
  });

  it("tell a writer that waits at the high-water mark when they are below it", () => {
    const { states } = exploreInboxes({ ...large, writes: 4, heedsMark: true });
    assert.ok(states > 50_000, `only ${states} states`);
  });
});

describe("the proof of the inboxes", () => {
  it("finds out that the reader does not look again after it has set the flag", () => {
    const hasty = {
      file: "native/ring.js",
      from: "if (Atomics.load(this.words, TAIL) === this.#position && Atomics.load(this.words, STARVED) === 0) {",
      to: "if (true) {",
    };
    assert.throws(() => exploreInboxes({ ...small, mutations: [hasty] }), /it sleeps beside a record/);
  });

  it("finds out that the position is stored before the record", () => {
    const early = {
      file: "session/inbox_writer.js",
      from: "this.#data.set(payload, place + RECORD_HEADER_BYTES);",
      to: "Atomics.store(words, TAIL, (this.#tail + skipped + recordBytes) | 0); this.#data.set(payload, place + RECORD_HEADER_BYTES);",
    };
    assert.throws(() => exploreInboxes({ ...small, mutations: [early] }), /a record came before its bytes/);
  });

  it("finds out that the writer looks at the flag before it stores the position", () => {
    const early = {
      file: "session/inbox_writer.js",
      from: "Atomics.store(words, TAIL, this.#tail);\n        if (Atomics.load(words, SLEEPING) === 0)\n            return Written.silently;",
      to: "const flag = Atomics.load(words, SLEEPING); Atomics.store(words, TAIL, this.#tail); if (flag === 0) return Written.silently;",
    };
    assert.throws(() => exploreInboxes({ ...small, mutations: [early] }), /it sleeps beside a record/);
  });

  it("finds out that a writer without room does not look again after it has said so", () => {
    const hasty = {
      file: "session/inbox_writer.js",
      from: "if (!this.#hasRoom(room))\n            return true;",
      to: "return true;",
    };
    for (const heedsMark of [false, true]) {
      const scene = { ...large, heedsMark, mutations: [hasty] };
      assert.throws(() => exploreInboxes(scene), /its writer waits beside room/);
    }
  });
});
