import type { Socket } from "node:net";
import type { Random } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import type { FullStreamFaults } from "./stream_faults.js";

/** What a line brings: bytes, and at last how they end. */
interface Item {
  readonly what: Uint8Array | "end" | "reset";
  readonly dueMs: number;
}

/** What one direction of all connections has in common. */
export interface StreamWay {
  faults: FullStreamFaults;
  blocked: boolean;
  receivedBytes: number;
  forwardedBytes: number;
  readonly random: Random;
  readonly time: Scheduler;
}

/** A line that is slow brings what it has in pieces of so long. */
const pieceMs = 10;

/** One direction of one connection: bytes come from one socket, and go to the other as the faults have it. */
export class StreamLine {
  forwardedBytes = 0;
  readonly #way: StreamWay;
  readonly #from: Socket;
  readonly #to: () => Socket | undefined;
  readonly #reset: () => void;
  #items: Item[] = [];
  #bufferedBytes = 0;
  #lastDueMs = 0;
  #freeAtMs = 0;
  #cancelTimer: (() => void) | undefined = undefined;
  #isFull = false;
  /** What still comes goes nowhere; a reset does. */
  #hasEnded = false;
  #isOver = false;
  #resetAfterBytes: number;

  /** @param to undefined as long as there is none. @param reset ends both directions. */
  constructor(way: StreamWay, from: Socket, to: () => Socket | undefined, reset: () => void) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#reset = reset;
    this.#resetAfterBytes = way.faults.resetAfterBytes;
    let ended = false;
    from.on("data", (bytes) => this.#take(bytes));
    from.on("end", () => {
      ended = true;
      this.#put("end");
    });
    from.on("close", (failed) => {
      if (failed || !ended) this.#put("reset");
    });
  }

  /** The connection is reset when so many more bytes have gone. */
  resetAfter(bytes: number): void {
    this.#resetAfterBytes = this.forwardedBytes + bytes;
    if (bytes === 0) this.#reset();
  }

  /** What has come still goes; what comes does not. */
  end(): void {
    if (this.#hasEnded) return;
    this.#put("end");
    this.#hasEnded = true;
  }

  /** Nothing comes any more. */
  clear(): void {
    this.#cancelTimer?.();
    this.#items = [];
    this.#isOver = true;
  }

  /** Brings what is due, and waits for the next. */
  run(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const to = this.#to();
    while (to !== undefined && !this.#isFull && !this.#way.blocked) {
      const item = this.#items[0];
      if (item === undefined) break;
      if (item.dueMs > this.#way.time.now()) {
        this.#cancelTimer = this.#way.time.at(item.dueMs, () => this.run());
        return;
      }
      this.#items.shift();
      this.#bring(item.what, to);
    }
  }

  #take(bytes: Uint8Array): void {
    this.#way.receivedBytes += bytes.length;
    if (this.#hasEnded || this.#isOver) return;
    const { bytesPerSecond } = this.#way.faults;
    const pieceBytes = Math.max(1, Math.floor((bytesPerSecond * pieceMs) / 1_000));
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      this.#bufferedBytes += piece.length;
      this.#put(piece);
    }
    if (this.#bufferedBytes >= this.#way.faults.bufferBytes) this.#from.pause();
  }

  #put(what: Item["what"]): void {
    if (this.#isOver || (this.#hasEnded && what === "end")) return;
    const bytes = typeof what === "string" ? 0 : what.length;
    const { delayMs, jitterMs, bytesPerSecond } = this.#way.faults;
    this.#freeAtMs = Math.max(this.#way.time.now(), this.#freeAtMs) + (bytes / bytesPerSecond) * 1_000;
    const arrivesAtMs = this.#freeAtMs + delayMs + jitterMs * this.#way.random.next();
    this.#lastDueMs = Math.max(this.#lastDueMs, arrivesAtMs);
    this.#items.push({ what, dueMs: this.#lastDueMs });
    if (this.#items.length === 1) this.run();
  }

  #bring(what: Item["what"], to: Socket): void {
    if (what === "end") to.end();
    else if (what === "reset") this.#reset();
    else this.#forward(what, to);
  }

  #forward(bytes: Uint8Array, to: Socket): void {
    this.#bufferedBytes -= bytes.length;
    if (this.#bufferedBytes < this.#way.faults.bufferBytes) this.#from.resume();
    const left = this.#resetAfterBytes - this.forwardedBytes;
    const isLast = bytes.length >= left;
    const part = isLast ? bytes.subarray(0, left) : bytes;
    this.forwardedBytes += part.length;
    this.#way.forwardedBytes += part.length;
    if (isLast) {
      this.clear();
      to.write(part, this.#reset); // when the operating system has it all
    } else if (!to.write(part)) {
      this.#isFull = true;
      to.once("drain", () => {
        this.#isFull = false;
        this.run();
      });
    }
  }
}
