import type { Socket } from "node:net";
import type { SendResult } from "../transport/connection.js";

/** Who is told that there is room again. */
export interface Sender {
  onDrain(): void;
}

/** So much is joined at most, and not kept until the turn's end: beyond it a copy costs more than a list of buffers. */
const maxJoinedBytes = 64 * 1024;

/**
 * What one connection sends: what comes together in one turn of the event loop leaves in one write, for a system call
 * for each message would cost more than all else.
 */
export class Outgoing {
  readonly #socket: Socket;
  readonly #highWaterMarkBytes: number;
  readonly #sender: Sender;
  /** Accepted and not yet given to the socket. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** True from `blocked` or `dropped` until `drain`. */
  #blocked = false;
  /** Made for the first write that a `drain` may have to follow. */
  #onWritten: (() => void) | undefined = undefined;

  constructor(socket: Socket, highWaterMarkBytes: number, sender: Sender) {
    this.#socket = socket;
    this.#highWaterMarkBytes = highWaterMarkBytes;
    this.#sender = sender;
  }

  get bytesQueued(): number {
    return this.#partBytes + this.#socket.writableLength;
  }

  /** Whether one more is accepted; one that is not is `dropped`. */
  admit(): boolean {
    if (this.bytesQueued < this.#highWaterMarkBytes) return true;
    this.#blocked = true;
    return false;
  }

  /** Takes one that was admitted, or a control. @param part nobody writes to it any more. */
  add(part: Uint8Array): SendResult {
    if (this.#parts.length === 0) flushAtTurnEnd(this);
    this.#parts.push(part);
    this.#partBytes += part.length;
    if (this.#partBytes >= maxJoinedBytes) this.flush();
    if (this.bytesQueued < this.#highWaterMarkBytes) return "sent";
    this.#blocked = true;
    return "blocked";
  }

  /** Gives the socket all that has come together. */
  flush(): void {
    const parts = this.#parts;
    if (parts.length === 0) return;
    const bytes = this.#partBytes;
    const mayBlock = this.#blocked || this.bytesQueued >= this.#highWaterMarkBytes / 2;
    if (mayBlock) this.#onWritten ??= () => this.#tellRoom();
    this.drop();
    writeParts(this.#socket, parts, bytes, mayBlock ? this.#onWritten : undefined);
  }

  /** Forgets what the socket has not been given. */
  drop(): void {
    this.#parts = [];
    this.#partBytes = 0;
  }

  /** The operating system took some. */
  #tellRoom(): void {
    if (!this.#blocked || this.bytesQueued >= this.#highWaterMarkBytes / 2) return;
    this.#blocked = false;
    this.#sender.onDrain();
  }
}

let waiting: Outgoing[] = [];

function flushAtTurnEnd(outgoing: Outgoing): void {
  if (waiting.push(outgoing) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const all = waiting;
  waiting = [];
  for (const outgoing of all) outgoing.flush();
}

/** Writes all parts by one system call. @param written called when the operating system has taken the last one. */
function writeParts(
  socket: Socket,
  parts: readonly Uint8Array[],
  bytes: number,
  written: (() => void) | undefined,
): void {
  if (parts.length === 1 || bytes <= maxJoinedBytes) {
    socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), written);
    return;
  }
  const last = parts.length - 1;
  socket.cork();
  for (const part of parts.slice(0, last)) socket.write(part);
  socket.write(parts[last]!, written);
  socket.uncork();
}
