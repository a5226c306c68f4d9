import { InternalError } from "../errors.js";
import { COMMAND_HEADER_BYTES, CommandKind, Flag } from "./constants.js";
import type { NativeEnvironment } from "./environment.js";

/** Commands wait in a slab of this size; it is flushed when full, and at the end of the tick. */
export const OUTBOUND_SLAB_BYTES = 256 * 1024;
/** From here on a flush does not wait for the end of the tick: msquic may send while more is written. */
const FLUSH_BYTES = 64 * 1024;
/** A larger command goes by itself; copying it into the slab would only make room short. */
const MAX_COMMAND_BYTES = 32 * 1024;

/**
 * Collects the commands of a tick in one slab and hands them to the engine in one call. All bytes are copied before
 * a method returns.
 */
export class Outbox {
  readonly slab = new Uint8Array(OUTBOUND_SLAB_BYTES);
  readonly #words = new Int32Array(this.slab.buffer);
  #native: NativeEnvironment | undefined;
  #used = 0;
  #scheduled = false;
  readonly #flushAtEndOfTick = () => {
    this.#scheduled = false;
    this.flush();
  };

  /** The slab is given to the environment's constructor, so the environment comes here later. */
  attach(native: NativeEnvironment): void {
    this.#native = native;
  }

  /** Queues bytes, in one part or two, for a stream (writeStream) or a lane (sendFrame). */
  write(kind: number, flags: number, target: NativeTarget, head: Uint8Array, payload?: Uint8Array): void {
    const headBytes = head.length;
    const bytes = payload === undefined ? headBytes : headBytes + payload.length;
    if (bytes > MAX_COMMAND_BYTES) {
      this.flush();
      this.#native!.send(kind, flags, target.slot, target.generation, head, payload);
      return;
    }
    const at = this.#place(bytes);
    // Copied before anything counts: a detached buffer throws here.
    if (headBytes > 0) this.slab.set(head, at);
    if (payload !== undefined && payload.length > 0) this.slab.set(payload, at + headBytes);
    this.#commit(kind, flags, target, bytes);
    if (this.#used >= FLUSH_BYTES) this.flush();
  }

  /** Queues many chunks for a stream, `bytes` together, as one write. */
  writev(target: NativeTarget, chunks: readonly Uint8Array[], bytes: number): void {
    if (bytes > MAX_COMMAND_BYTES) {
      this.flush();
      this.#native!.writev(target.slot, target.generation, chunks);
      return;
    }
    let at = this.#place(bytes);
    for (const chunk of chunks) {
      if (chunk.length > 0) this.slab.set(chunk, at);
      at += chunk.length;
    }
    this.#commit(CommandKind.writeStream, 0, target, bytes);
    if (this.#used >= FLUSH_BYTES) this.flush();
  }

  /** Queues a datagram; by its tag, a u32, the engine tells what became of it. */
  writeDatagram(target: NativeTarget, bytes: Uint8Array, tag: number | undefined): void {
    const tagBytes = tag === undefined ? 0 : 4;
    const at = this.#place(bytes.length + tagBytes);
    if (tag !== undefined) this.#words[at >> 2] = tag;
    if (bytes.length > 0) this.slab.set(bytes, at + tagBytes);
    this.#commit(
      CommandKind.sendDatagram,
      tag === undefined ? 0 : Flag.sendTagged,
      target,
      bytes.length + tagBytes,
    );
    if (this.#used >= FLUSH_BYTES) this.flush();
  }

  /** Tells the engine that the application has consumed received bytes. */
  credit(target: NativeTarget, bytes: number): void {
    this.#words[this.#place(4) >> 2] = bytes;
    this.#commit(CommandKind.credit, 0, target, 4);
  }

  /** Lets go of a connection or stream that has ended; its slot may be used again. */
  release(target: NativeTarget): void {
    this.#place(0);
    this.#commit(CommandKind.release, 0, target, 0);
  }

  /** Hands over what is queued. Called before every direct call of the engine, so that order is kept. */
  flush(): void {
    if (this.#used === 0) return;
    const used = this.#used;
    this.#used = 0;
    if (!this.#native!.flush(used))
      throw new InternalError("the engine found the outbound slab not well formed");
  }

  /** Makes room for a command; returns where its payload goes. */
  #place(bytes: number): number {
    if (this.#used + commandBytes(bytes) > OUTBOUND_SLAB_BYTES) this.flush();
    return this.#used + COMMAND_HEADER_BYTES;
  }

  #commit(kind: number, flags: number, { slot, generation }: NativeTarget, bytes: number): void {
    const word = this.#used >> 2;
    const words = this.#words;
    words[word] = bytes;
    words[word + 1] = kind | (flags << 16);
    words[word + 2] = slot;
    words[word + 3] = generation;
    this.#used += commandBytes(bytes);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flushAtEndOfTick);
  }
}

function commandBytes(payloadBytes: number): number {
  return COMMAND_HEADER_BYTES + ((payloadBytes + 7) & ~7);
}

/** What a command is for. */
export interface NativeTarget {
  readonly slot: number;
  readonly generation: number;
}
