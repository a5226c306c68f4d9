import { InvalidArgumentError } from "../../errors.js";
import type { Engine, EngineResource } from "../../native/engine.js";
import { type RingRecord, StoredRecord } from "../../native/ring.js";
import { show } from "../../options/read.js";
import { CloseCode } from "../../transport/close.js";
import type { EarlyDataDecision } from "../behaviour.js";
import { publishStreamOpen } from "../diagnostics.js";
import type { RawStream } from "./raw_stream.js";
import type { StreamHost } from "./stream_side.js";

/**
 * The streams of a peer that began before its handshake was complete. What they bring may be a copy of what somebody
 * else has sent, so the application gets it when it says that this does no harm, or when the handshake is complete,
 * which a copy never achieves. Until then it waits here, bounded by the windows: no credit is given for it.
 */
export class EarlyStreams {
  /** The application was asked, so it knows of the connection. */
  asked = false;
  readonly #host: StreamHost;
  readonly #engine: Engine;
  readonly #waiting = new Set<HeldStream>();
  /** The handshake is complete. */
  #confirmed = false;

  constructor(host: StreamHost, engine: Engine) {
    this.#host = host;
    this.#engine = engine;
  }

  /** A stream that has just begun. */
  add(stream: RawStream): void {
    const held = new HeldStream(stream);
    this.#engine.register(held);
    this.#waiting.add(held);
    const { behaviour } = this.#host;
    if (behaviour.earlyData === undefined) return;
    this.asked = true;
    held.undecided = true;
    let decision: EarlyDataDecision | Promise<EarlyDataDecision>;
    try {
      decision = behaviour.earlyData(stream);
    } catch (cause) {
      this.#refuseBecause(held, cause);
      return;
    }
    if (!(decision instanceof Promise)) this.#decide(held, decision);
    else
      decision.then(
        (decided) => this.#decide(held, decided),
        (cause: unknown) => this.#refuseBecause(held, cause),
      );
  }

  /** The handshake is complete: what nobody decides about goes on. */
  confirm(): void {
    this.#confirmed = true;
    for (const held of [...this.#waiting]) if (!held.undecided) this.#release(held);
  }

  /** The connection has ended, and with it the streams. Without a handshake they were never more than a claim. */
  discard(): void {
    for (const held of this.#waiting) {
      held.isOver = true;
      this.#engine.release(held);
      if (!held.undecided) this.#waiting.delete(held);
    }
  }

  #decide(held: HeldStream, decision: EarlyDataDecision): void {
    held.undecided = false;
    if (decision === "refuse") this.#refuse(held);
    else if (decision === "accept") this.#release(held);
    else if (decision !== "hold") {
      const error = new InvalidArgumentError(
        `earlyData must answer "accept", "hold" or "refuse", and not ${show(decision)}`,
      );
      this.#refuseBecause(held, error);
    } else if (this.#confirmed) this.#release(held);
    else if (held.isOver) this.#refuse(held);
  }

  #refuseBecause(held: HeldStream, cause: unknown): void {
    held.undecided = false;
    this.#host.report(cause, held.stream);
    this.#refuse(held);
  }

  #refuse(held: HeldStream): void {
    const { stream } = held;
    this.#pass(held);
    stream.reset(CloseCode.tooEarly);
    stream.stopSending(CloseCode.tooEarly);
    held.replay();
  }

  #release(held: HeldStream): void {
    const { stream } = held;
    this.#pass(held);
    publishStreamOpen(stream);
    this.#host.call(() => this.#host.behaviour.stream?.(stream), stream);
    held.replay();
  }

  /** The stream gets its events itself from here on. */
  #pass(held: HeldStream): void {
    this.#waiting.delete(held);
    if (!held.isOver) this.#engine.replace(held.stream);
  }
}

/** Takes a stream's events in its place, and keeps them. */
class HeldStream implements EngineResource {
  readonly stream: RawStream;
  readonly slot: number;
  readonly generation: number;
  /** The application has not answered yet. */
  undecided = false;
  /** The connection has ended, and the slot is another's. */
  isOver = false;
  readonly #records: StoredRecord[] = [];

  constructor(stream: RawStream) {
    this.stream = stream;
    this.slot = stream.slot;
    this.generation = stream.generation;
  }

  onEvent(record: RingRecord): void {
    this.#records.push(new StoredRecord(record));
  }

  replay(): void {
    for (const record of this.#records.splice(0)) this.stream.onEvent(record);
  }
}
