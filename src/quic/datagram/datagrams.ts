import { InvalidArgumentError, ReaderLockedError } from "../../errors.js";
import { DATAGRAM_OVERHEAD_BYTES } from "../../native/constants.js";
import type { Engine } from "../../native/engine.js";
import type { NativeTarget } from "../../native/outbox.js";
import { readOptions } from "../../options/read.js";
import { abortSignal, integer, object, optional, withDefault } from "../../options/schema.js";
import type { SendResult } from "../../transport/connection.js";
import { checkBytes } from "../argument.js";
import type { DatagramsOptions, SendDatagramOptions } from "../connection.js";
import { SendQueue } from "../stream/send_queue.js";
import { DatagramQueue } from "./datagram_queue.js";

const schema = object({
  maxQueued: withDefault(integer(1, 1_048_576), 1_024),
  signal: optional(abortSignal),
} satisfies Record<keyof DatagramsOptions, unknown>);

const MAX_TAG = 0xffff_ffff;

const sendSchema = object({
  tag: optional(integer(0, MAX_TAG)),
} satisfies Record<keyof SendDatagramOptions, unknown>);

/**
 * Datagrams are sent by the million, so the usual options are read by hand, and others for what is wrong with them.
 * @throws InvalidArgumentError
 */
function readTag(options: SendDatagramOptions | undefined): number | undefined {
  if (options === undefined) return undefined;
  if (typeof options === "object" && options !== null && hasTagOnly(options)) {
    const { tag } = options;
    if (typeof tag === "number" && Number.isInteger(tag) && tag >= 0 && tag <= MAX_TAG) return tag;
  }
  return readOptions(sendSchema, options).tag;
}

function hasTagOnly(options: object): boolean {
  for (const name in options) if (name !== "tag") return false;
  return true;
}

/** What datagrams need of their connection. */
export interface DatagramHost extends NativeTarget {
  /** The largest that can be sent now. */
  readonly maxDatagramBytes: number;
}

/** The datagrams of one connection, out and in (RFC 9221). */
export class Datagrams {
  /** What readers of ours have dropped, those included that are gone. */
  #dropped = 0;
  readonly #sent = new SendQueue();
  #reader: DatagramQueue | undefined;

  /** The caller has found the connection open. */
  send(
    engine: Engine,
    connection: DatagramHost,
    highWaterMarkBytes: number,
    bytes: Uint8Array,
    options: SendDatagramOptions | undefined,
  ): SendResult {
    checkBytes(bytes);
    const tag = readTag(options);
    const { maxDatagramBytes } = connection;
    if (bytes.length > maxDatagramBytes) {
      throw new InvalidArgumentError(
        `a datagram of ${bytes.length} bytes is above the limit of ${maxDatagramBytes}; use a stream`,
      );
    }
    const result = this.admit(engine, connection.slot, highWaterMarkBytes, bytes.length);
    if (result !== "dropped") engine.outbox.writeDatagram(connection, bytes, tag);
    return result;
  }

  /** Counts one as queued, unless the queue is at its mark already. */
  admit(engine: Engine, slot: number, highWaterMarkBytes: number, bytes: number): SendResult {
    return this.#sent.admit(engine, slot, highWaterMarkBytes, bytes + DATAGRAM_OVERHEAD_BYTES);
  }

  /** @returns whether those who were told `blocked` may go on. */
  onDrain(engine: Engine, slot: number, highWaterMarkBytes: number): boolean {
    return this.#sent.onDrain(engine, slot, highWaterMarkBytes);
  }

  /** @throws ReaderLockedError, InvalidArgumentError */
  read(options: DatagramsOptions): DatagramQueue {
    const { maxQueued, signal } = readOptions(schema, options);
    if (this.#reader !== undefined) {
      throw new ReaderLockedError("the connection's datagrams have a reader; use that one");
    }
    const reader = new DatagramQueue(maxQueued, signal, () => {
      this.#dropped += reader.dropped;
      this.#reader = undefined;
    });
    this.#reader = reader;
    return reader;
  }

  /** @returns whether somebody iterates and has it now. */
  onDatagram(datagram: Uint8Array): boolean {
    this.#reader?.add(datagram);
    return this.#reader !== undefined;
  }

  /** What was dropped on this side of the engine. */
  get dropped(): number {
    return this.#dropped + (this.#reader?.dropped ?? 0);
  }

  /** The connection has ended. */
  end(): void {
    this.#reader?.end();
  }
}
