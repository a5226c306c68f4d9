import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { SendResult } from "../transport/connection.js";
import { type Block, freeBlock, maxBlockBytes, moveOut, withRoom } from "./block.js";
import { joinParts } from "./publisher.js";

/** Who is told that there is room again. */
export interface Sender {
  onDrain(): void;
}

/** So much does not wait for the end of the turn, when the processor's cache has forgotten it. */
const muchBytes = 4 * 1024;
/** Beyond it a copy costs more than a list of buffers. */
const maxCopiedBytes = 16 * 1024;
const nothing = new Uint8Array(0);

/**
 * What one connection sends: what comes together in one turn of the event loop leaves in one write, for a system call
 * for each message would cost more than all else.
 */
export class Outgoing {
  readonly #socket: Socket;
  readonly #highWaterMarkBytes: number;
  readonly #sender: Sender;
  /** Accepted and not yet given to the socket: parts that keep, and behind them what was copied. */
  #parts: Uint8Array[] = [];
  #block: Block | undefined = undefined;
  #heldBytes = 0;
  /** The operating system may not have all that the socket was given: otherwise the socket need not be asked. */
  #isBehind = true;
  /** How much at the beginning of that is not to be dropped. */
  #openingBytes = 0;
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
    return this.#isBehind ? this.#heldBytes + this.#socketBytes() : this.#heldBytes;
  }

  /** What the socket holds. */
  #socketBytes(): number {
    const bytes = this.#socket.writableLength;
    this.#isBehind = bytes > 0;
    return bytes;
  }

  /** Whether one more is accepted; one that is not is `dropped`. */
  admit(): boolean {
    if (this.bytesQueued < this.#highWaterMarkBytes) return true;
    this.#blocked = true;
    return false;
  }

  /** What the peer has to read before all else. */
  open(bytes: Uint8Array): void {
    this.copy(bytes);
    this.#openingBytes = bytes.length;
  }

  /** Copies one that was admitted, or a control. */
  copy(head: Uint8Array, payload: Uint8Array = nothing): SendResult {
    const bytes = head.length + payload.length;
    if (bytes > maxCopiedBytes) return this.add(joinParts(head, payload, false));
    if (this.#heldBytes + bytes > maxBlockBytes) this.#write();
    const block = withRoom(this.#block, bytes);
    this.#block = block;
    block.append(head);
    if (payload.length > 0) block.append(payload);
    return this.#added(bytes);
  }

  /** The same, without a copy. @param part nobody writes to it any more. */
  add(part: Uint8Array): SendResult {
    this.#closeBlock();
    this.#parts.push(part);
    return this.#added(part.length);
  }

  #added(bytes: number): SendResult {
    if (this.#heldBytes === 0) flushAtTurnEnd(this);
    this.#heldBytes += bytes;
    if (this.#heldBytes >= maxBlockBytes) this.#write();
    if (this.bytesQueued < this.#highWaterMarkBytes) return "sent";
    this.#blocked = true;
    return "blocked";
  }

  /** Gives the socket what has come together, where that is worth a system call of its own: its memory is used again. */
  flushMuch(): void {
    if (this.#heldBytes >= muchBytes) this.#write();
  }

  /** The same, however little it is. */
  flush(): void {
    if (this.#heldBytes > 0) this.#write();
  }

  /** Forgets what the socket has not been given. */
  drop(): void {
    const first = this.#parts[0] ?? this.#block?.bytes;
    if (this.#openingBytes > 0 && this.#socket.writable) {
      this.#socket.write(Buffer.from(first!.subarray(0, this.#openingBytes)));
    }
    if (this.#block !== undefined) freeBlock(this.#block);
    this.#forget();
  }

  #forget(): void {
    if (this.#parts.length > 0) this.#parts = [];
    this.#block = undefined;
    this.#heldBytes = 0;
    this.#openingBytes = 0;
  }

  #write(): void {
    const mayBlock = this.#blocked || this.bytesQueued >= this.#highWaterMarkBytes / 2;
    if (mayBlock) this.#onWritten ??= () => this.#tellRoom();
    const written = mayBlock ? this.#onWritten : undefined;
    const block = this.#block;
    if (block !== undefined && this.#parts.length === 0) {
      this.#forget();
      this.#writeBlock(block, written);
      return;
    }
    this.#closeBlock();
    const parts = this.#parts;
    const bytes = this.#heldBytes;
    this.#forget();
    writeParts(this.#socket, parts, bytes, written);
    this.#socketBytes();
  }

  #writeBlock(block: Block, written: (() => void) | undefined): void {
    // What is written waits behind what the socket holds; TLS holds all of it for some turns of the loop.
    if ((this.#isBehind && this.#socketBytes() > 0) || this.#socket instanceof TLSSocket) {
      this.#socket.write(moveOut(block), written);
      this.#isBehind = true;
      return;
    }
    this.#socket.write(block.bytes.subarray(0, block.end), written);
    // The operating system has all of it by now, most often.
    if (this.#socketBytes() === 0) freeBlock(block);
  }

  /** What was copied goes among the parts. */
  #closeBlock(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#parts.push(moveOut(block));
    this.#block = undefined;
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
  if (parts.length === 1 || bytes <= maxBlockBytes) {
    socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), written);
    return;
  }
  const last = parts.length - 1;
  socket.cork();
  for (const part of parts.slice(0, last)) socket.write(part);
  socket.write(parts[last]!, written);
  socket.uncork();
}
