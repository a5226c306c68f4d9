import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { InternalError, ResourceExhaustedError } from "../errors.js";
import { loadAddon } from "./addon.js";
import { EventKind, SlotWord, StreamAcceptance } from "./constants.js";
import type { NativeEnvironment, NativeHandle } from "./environment.js";
import { type NativeTarget, Outbox } from "./outbox.js";
import { createRing, RECORD_HEADER_BYTES, RingReader, type RingRecord } from "./ring.js";

const RING_CAPACITY_BYTES = 4 * 1024 * 1024;
/** A ring takes 20 million records a second: more of them only spare msquic's workers the wait for each other. */
const CORES_PER_RING = 4;
const MAX_RINGS = 4;
/** The largest frame that a ring takes: it holds at least two of them. */
export const MAX_RECORD_BYTES = RING_CAPACITY_BYTES / 2 - RECORD_HEADER_BYTES;
/** Pages of slots that are never used are never touched. */
const MAX_SLOTS = 1_048_576;
/** After so long a batch yields to the event loop. */
const BATCH_BUDGET_MS = 4;
const RECORDS_PER_CLOCK_READ = 128;
const READERS_PER_RESUME = 64;

/** What the pump hands events to: a connection or a stream of this environment. */
export interface EngineResource {
  readonly slot: number;
  readonly generation: number;
  /** The record is the reader's current one; its bytes are valid during the call. */
  onEvent(record: RingRecord): void;
}

/** A listener, as the pump sees it. */
export interface Acceptor {
  /** The first event of a peer's connection; returns what gets the others. */
  onConnection(slot: number, generation: number, record: RingReader): EngineResource;
  /** A handshake that was refused or failed before anybody was told of it. */
  onHandshakeFailed(record: RingReader): void;
}

/** The answer to a request that the engine carried out on its control thread. */
export interface Completion {
  /** msquic's status; 0 is success. */
  readonly status: number;
  readonly value: number;
}

/**
 * One JavaScript thread's share of the native engine: its rings, its outbox, its table of connections and streams.
 * Made on first use, it lives until the thread ends; it keeps the event loop alive while it has something open.
 */
export class Engine {
  readonly native: NativeEnvironment;
  readonly outbox = new Outbox();
  readonly #slotWords = new Int32Array(new SharedArrayBuffer(MAX_SLOTS * SlotWord.count * 4));
  readonly #readers: RingReader[] = [];
  readonly #resources: (EngineResource | undefined)[] = [];
  readonly #acceptors = new Map<number, Acceptor>();
  readonly #requests = new Map<number, (completion: Completion) => void>();
  #lastRequest = 0;
  #keptAliveBy = 0;
  #pumping = false;
  #records = 0;
  readonly #pump = () => this.#drain();

  /** @throws AddonUnavailableError (ERR_MILLRACE_ADDON_UNAVAILABLE) */
  constructor() {
    const addon = loadAddon();
    const ringCount = Math.min(MAX_RINGS, Math.ceil(availableParallelism() / CORES_PER_RING));
    const rings = Array.from({ length: ringCount }, () => createRing(RING_CAPACITY_BYTES));
    const poison = process.env.MILLRACE_POISON === "1";
    for (const ring of rings) this.#readers.push(new RingReader(ring, { poison }));
    this.native = new addon.Environment(
      rings.map((ring) => new Int32Array(ring)),
      this.#slotWords,
      this.outbox.slab,
      this.#pump,
    );
    this.outbox.attach(this.native);
    if (!this.#sleep()) setImmediate(this.#pump);
  }

  /** Carries out something on the control thread; `start` gets the request's number. */
  request(start: (request: number) => void): Promise<Completion> {
    return new Promise((resolve) => {
      this.#lastRequest += 1;
      const request = this.#lastRequest;
      this.#requests.set(request, resolve);
      this.keepAlive(1);
      this.outbox.flush();
      start(request);
    });
  }

  /** Routes a listener's connections. */
  setAcceptor(listener: number, acceptor: Acceptor | undefined): void {
    if (acceptor === undefined) this.#acceptors.delete(listener);
    else this.#acceptors.set(listener, acceptor);
  }

  /** Routes a slot's events, until `release`. */
  register(resource: EngineResource): void {
    this.#resources[resource.slot] = resource;
    this.keepAlive(1);
  }

  /** Routes a slot's events to another who stands for the same. */
  replace(resource: EngineResource): void {
    this.#resources[resource.slot] = resource;
  }

  /** Lets go of a connection or stream whose last event was handled. */
  release(resource: EngineResource): void {
    this.#resources[resource.slot] = undefined;
    this.outbox.release(resource);
    this.keepAlive(-1);
  }

  /** Who has the slot, unless it was used again since. */
  find(slot: number, generation: number): EngineResource | undefined {
    const resource = this.#resources[slot];
    return resource?.generation === generation ? resource : undefined;
  }

  /** Bytes that left the queue of a slot, modulo 2^32, as a signed number. */
  completedBytes(slot: number): number {
    return Atomics.load(this.#slotWords, slot * SlotWord.count + SlotWord.completedBytes);
  }

  /** Asks for a drain event when the slot's queue has fallen below half of its mark. */
  wantDrain(slot: number): void {
    Atomics.store(this.#slotWords, slot * SlotWord.count + SlotWord.wantsDrain, 1);
  }

  /** Whether the peer has allowed a stream of ours. */
  isAccepted(slot: number): boolean {
    const word = slot * SlotWord.count + SlotWord.accepted;
    return Atomics.load(this.#slotWords, word) === StreamAcceptance.accepted;
  }

  /** The same, and where it has not, asks for an event when it does. */
  awaitAccepted(slot: number): boolean {
    const { waiting, accepted, awaited } = StreamAcceptance;
    const word = slot * SlotWord.count + SlotWord.accepted;
    return Atomics.compareExchange(this.#slotWords, word, waiting, awaited) === accepted;
  }

  /** The smoothed round trip in microseconds, 0 where none was measured. */
  roundTripUs(slot: number): number {
    return Atomics.load(this.#slotWords, slot * SlotWord.count + SlotWord.roundTripUs);
  }

  droppedDatagrams(slot: number): number {
    return Atomics.load(this.#slotWords, slot * SlotWord.count + SlotWord.droppedDatagrams);
  }

  /** Starts a connection that waits for it, behind what was written to it. */
  launch({ slot, generation }: NativeTarget): void {
    this.outbox.flush();
    this.native.launch(slot, generation);
  }

  /** Counts what is open: the event loop waits while the count is above zero. */
  keepAlive(delta: 1 | -1): void {
    const before = this.#keptAliveBy;
    this.#keptAliveBy += delta;
    if (before === 0) this.native.keepAlive(true);
    else if (this.#keptAliveBy === 0) this.native.keepAlive(false);
  }

  #drain(): void {
    if (this.#pumping) return; // a handler ran the event loop from inside: the outer call goes on
    this.#pumping = true;
    const deadline = performance.now() + BATCH_BUDGET_MS;
    try {
      for (;;) {
        const recordsBefore = this.#records;
        for (let port = 0; port < this.#readers.length; port++) this.#drainPort(port, deadline);
        this.outbox.flush();
        if (this.#records !== recordsBefore) {
          if (performance.now() > deadline) {
            setImmediate(this.#pump);
            return;
          }
          // A worker that shares our core may have more for us, or wants to send what we have just queued: looking
          // once more after it has run is much cheaper than being woken for each record.
          this.native.yield();
        } else if (this.#sleep()) return;
      }
    } finally {
      this.#pumping = false;
    }
  }

  #drainPort(port: number, deadline: number): void {
    const reader = this.#readers[port]!;
    while (reader.next()) {
      this.#dispatch(reader);
      this.#records += 1;
      if (this.#records % RECORDS_PER_CLOCK_READ === 0 && performance.now() > deadline) break;
    }
    reader.release();
    if (reader.takeStarved()) this.native.resume(port, READERS_PER_RESUME);
  }

  #sleep(): boolean {
    // All are asked, also after one has refused: a flag that is set without need costs one idle wake.
    let asleep = true;
    for (const reader of this.#readers) asleep = reader.trySleep() && asleep;
    return asleep;
  }

  #dispatch(record: RingReader): void {
    try {
      const resource = this.#resources[record.slot];
      if (record.kind === EventKind.completion) this.#complete(record);
      else if (record.kind === EventKind.handshakeFailed) {
        this.#acceptors.get(record.uint32(0))?.onHandshakeFailed(record);
      } else if (resource !== undefined && resource.generation === record.generation)
        resource.onEvent(record);
      else if (beginsConnection(record.kind)) this.#accept(record);
      else if (record.kind === EventKind.streamOpened) this.#acceptStream(record);
    } catch (cause) {
      // Handlers' exceptions were dealt with above us; what comes here is our own fault, and must be seen without
      // stopping the pump.
      queueMicrotask(() => {
        throw cause instanceof Error ? cause : new InternalError("an event handler threw", { cause });
      });
    }
  }

  #complete(record: RingReader): void {
    const resolve = this.#requests.get(record.slot);
    if (resolve === undefined) return;
    this.#requests.delete(record.slot);
    this.keepAlive(-1);
    resolve({ status: record.int32(0), value: record.uint32(4) });
  }

  #accept(record: RingReader): void {
    const acceptor = this.#acceptors.get(record.uint32(0));
    if (acceptor === undefined) {
      // The listener was closed while this connection was on its way.
      this.native.closeConnection(record.slot, record.generation, 1, "", false, 0);
      this.register(new Unwanted(this, record.slot, record.generation));
      return;
    }
    this.register(acceptor.onConnection(record.slot, record.generation, record));
  }

  #acceptStream(record: RingReader): void {
    const connection = this.find(record.uint32(0), record.uint32(4));
    if (connection !== undefined) connection.onEvent(record);
    else this.register(new Unwanted(this, record.slot, record.generation));
  }
}

/** What the first event of a peer's connection may be; both begin with the listener's id. */
function beginsConnection(kind: number): boolean {
  const { connectionEarly, connectionOpened, peerCertificate } = EventKind;
  return kind === connectionOpened || kind === peerCertificate || kind === connectionEarly;
}

/** Waits for the end of something that nobody wants any more. */
class Unwanted implements EngineResource {
  readonly #engine: Engine;
  readonly slot: number;
  readonly generation: number;

  constructor(engine: Engine, slot: number, generation: number) {
    this.#engine = engine;
    this.slot = slot;
    this.generation = generation;
  }

  onEvent(record: RingReader): void {
    const ended = record.kind === EventKind.connectionClosed || record.kind === EventKind.streamClosed;
    if (ended) this.#engine.release(this);
    else if (record.kind === EventKind.frame || record.kind === EventKind.streamData) {
      this.#engine.outbox.credit(this, record.length);
    }
  }
}

let engine: Engine | undefined;

/**
 * This thread's engine, made on first use.
 * @throws AddonUnavailableError (ERR_MILLRACE_ADDON_UNAVAILABLE)
 */
export function sharedEngine(): Engine {
  engine ??= new Engine();
  return engine;
}

/** @throws ResourceExhaustedError when the engine had no slot left. */
export function expectHandle(handle: NativeHandle | undefined): NativeHandle {
  if (handle === undefined) {
    throw new ResourceExhaustedError(`this thread already holds ${MAX_SLOTS} connections and streams`);
  }
  return handle;
}
