import { createRequire } from "node:module";
import { createRing, RingReader } from "#internal/native/ring.js";
import { type Benchmark, type Comparison, inTurn } from "./benchmark.js";
import { nativeProgram } from "./root.js";

/** bench/native/bench_addon.cc: both start a native thread that hands over `count` numbered events of 64 bytes. */
interface BenchAddon {
  produceRecords(ring: Int32Array, count: number, batch: number, wake: () => void): void;
  produceCalls(count: number, carriesBytes: true, receive: (event: Uint8Array) => void): void;
  produceCalls(count: number, carriesBytes: false, receive: (event: number) => void): void;
}

const capacityBytes = 4 * 1024 * 1024;
const recordsPerReceive = 16;
/** Calls take so much longer that fewer of them tell the same. */
const callShare = 0.1;

/** Events from a native thread to JavaScript: records in shared memory, beside one call for each event. */
export const ring: Benchmark = {
  name: "ring",
  title: "Ring: 64-byte events from a native thread to JavaScript",
  async run(options) {
    const addon = createRequire(import.meta.url)(nativeProgram("bench.node")) as BenchAddon;
    const calls = Math.ceil(options.events * callShare);
    const results = await inTurn(options, "64 B", {
      "ring, published one by one": () => throughRing(addon, options.events, 1),
      "ring, published by 16": () => throughRing(addon, options.events, recordsPerReceive),
      "threadsafe function with 64 bytes": () => throughCalls(addon, calls, true),
      "threadsafe function with a number": () => throughCalls(addon, calls, false),
    });
    const compare = (ours: keyof typeof results, peer: keyof typeof results): Comparison => ({
      title: "64 B, throughput",
      unit: "events/s",
      ours: { name: ours, values: results[ours] },
      peer: { name: peer, values: results[peer] },
    });
    const target = { of: "ratio", atLeast: 15 } as const;
    return [
      { ...compare("ring, published by 16", "threadsafe function with 64 bytes"), target },
      { ...compare("ring, published one by one", "threadsafe function with 64 bytes"), target },
      // Less work than the ring does, so nothing is promised of it: the price of the call alone.
      compare("ring, published one by one", "threadsafe function with a number"),
    ];
  },
};

/** Counts the events of one run, in the order of their numbers, of which it gets the lowest byte. */
class Tally {
  readonly #count: number;
  readonly #done: (eventsPerSecond: number) => void;
  readonly #fail: (cause: Error) => void;
  readonly #begunMs = performance.now();
  #seen = 0;

  constructor(count: number, done: (eventsPerSecond: number) => void, fail: (cause: Error) => void) {
    this.#count = count;
    this.#done = done;
    this.#fail = fail;
  }

  take(lowestByte: number): void {
    if (lowestByte !== (this.#seen & 0xff))
      this.#fail(new Error(`event ${this.#seen} was lost or overtaken`));
    this.#seen += 1;
    if (this.#seen === this.#count) this.#done((this.#count * 1000) / (performance.now() - this.#begunMs));
  }
}

/** Reads every record as the engine's pump does: a view each. */
function throughRing(addon: BenchAddon, count: number, batch: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const memory = createRing(capacityBytes);
    const reader = new RingReader(memory);
    reader.trySleep();
    const tally = new Tally(count, resolve, reject);
    addon.produceRecords(new Int32Array(memory), count, batch, () => {
      do {
        while (reader.next()) tally.take(reader.bytes()[0]!);
      } while (!reader.trySleep());
    });
  });
}

function throughCalls(addon: BenchAddon, count: number, carriesBytes: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const tally = new Tally(count, resolve, reject);
    if (carriesBytes) addon.produceCalls(count, true, (event) => tally.take(event[0]!));
    else addon.produceCalls(count, false, (event) => tally.take(event & 0xff));
  });
}
