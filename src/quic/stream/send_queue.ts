import type { Engine } from "../../native/engine.js";
import type { NativeTarget } from "../../native/outbox.js";
import type { SendResult } from "../../transport/connection.js";

/**
 * Counts what a connection or stream has queued: bytes given to the engine here, bytes that left it in the slot's
 * word, which the engine adds to without waking anyone.
 */
export class SendQueue {
  /** Modulo 2^32, as a signed number. */
  #submittedBytes = 0;
  /** The slot's word when it was last read. More may have left since: it is read again when the mark seems reached. */
  #completedBytes = 0;
  /** The caller was told `blocked`, and waits for drain. */
  #blocked = false;

  bytesQueued(engine: Engine, slot: number): number {
    this.#completedBytes = engine.completedBytes(slot);
    return (this.#submittedBytes - this.#completedBytes) >>> 0;
  }

  /** Queues, unless the queue is at or above its mark already. */
  send(
    engine: Engine,
    target: NativeTarget,
    highWaterMarkBytes: number,
    kind: number,
    flags: number,
    head: Uint8Array,
    payload?: Uint8Array,
  ): SendResult {
    const bytes = payload === undefined ? head.length : head.length + payload.length;
    const queued = this.#bytesQueuedBefore(engine, target.slot, highWaterMarkBytes, bytes);
    if (queued >= highWaterMarkBytes) return "dropped";
    engine.outbox.write(kind, flags, target, head, payload);
    this.#submittedBytes = (this.#submittedBytes + bytes) | 0;
    if (queued + bytes < highWaterMarkBytes) return "sent";
    return this.#block(engine, target.slot, highWaterMarkBytes);
  }

  /** Counts bytes that are queued by other means, unless the queue is at or above its mark already. */
  admit(engine: Engine, slot: number, highWaterMarkBytes: number, bytes: number): SendResult {
    const queued = this.#bytesQueuedBefore(engine, slot, highWaterMarkBytes, bytes);
    if (queued >= highWaterMarkBytes) return "dropped";
    this.#submittedBytes = (this.#submittedBytes + bytes) | 0;
    return queued + bytes < highWaterMarkBytes ? "sent" : this.#block(engine, slot, highWaterMarkBytes);
  }

  /** Exact where `bytes` more may reach the mark; otherwise perhaps too much, and below it all the same. */
  #bytesQueuedBefore(engine: Engine, slot: number, highWaterMarkBytes: number, bytes: number): number {
    const atMost = (this.#submittedBytes - this.#completedBytes) >>> 0;
    return atMost + bytes < highWaterMarkBytes ? atMost : this.bytesQueued(engine, slot);
  }

  #block(engine: Engine, slot: number, highWaterMarkBytes: number): SendResult {
    engine.wantDrain(slot);
    // The engine may have taken and completed them already; then no event will come.
    this.#blocked = this.bytesQueued(engine, slot) >= highWaterMarkBytes / 2;
    return this.#blocked ? "blocked" : "sent";
  }

  /**
   * The engine says that its part of the queue is below half of the mark.
   * @returns whether all of it is, and somebody waits for that; otherwise asks to be told again.
   */
  onDrain(engine: Engine, slot: number, highWaterMarkBytes: number): boolean {
    if (!this.#blocked) return false;
    if (this.bytesQueued(engine, slot) >= highWaterMarkBytes / 2) engine.wantDrain(slot);
    // Looked at after the wish: the last completion may have come before it.
    if (this.bytesQueued(engine, slot) >= highWaterMarkBytes / 2) return false;
    this.#blocked = false;
    return true;
  }

  /** Nothing is queued any more, for there is no connection. @returns whether somebody waits for drain. */
  onEnd(): boolean {
    const waited = this.#blocked;
    this.#blocked = false;
    return waited;
  }
}
