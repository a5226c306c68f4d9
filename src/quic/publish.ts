import { InvalidArgumentError } from "../errors.js";
import { CommandKind } from "../native/constants.js";
import { type Engine, sharedEngine } from "../native/engine.js";
import type { NativeTarget } from "../native/outbox.js";
import { show } from "../options/read.js";
import { checkBytes } from "./argument.js";
import type { QuicConnection } from "./connection.js";
import { RawConnection } from "./raw_connection.js";
import { RawStream } from "./stream/raw_stream.js";
import type { QuicStream } from "./stream/stream.js";

/**
 * Writes the same bytes to many streams, by one call of the engine: it copies them once, and each stream refers to
 * that copy.
 * @param streams of any connections of this thread. One that cannot be written, or whose queue is at its high-water
 *   mark already, is left out.
 * @param bytes at most 1 GiB; copied, the caller keeps it.
 * @returns how many streams accepted them. For each of these it is as one `write`: `bytesQueued`, `drain`.
 * @throws InvalidArgumentError
 */
export function publish(streams: readonly QuicStream[], bytes: Uint8Array): number {
  checkBytes(bytes);
  const accept = (stream: RawStream) => stream.sending.admit(bytes.length);
  return publishTo(CommandKind.writeStream, list("streams", streams, RawStream), accept, bytes);
}

/**
 * Sends the same datagram to many connections, by one call of the engine and with one copy.
 * @param connections of this thread. One that is not open, that takes no datagram of this size, or whose queue is at
 *   its high-water mark already, is left out.
 * @returns how many connections accepted it.
 * @throws InvalidArgumentError
 */
export function publishDatagram(connections: readonly QuicConnection[], bytes: Uint8Array): number {
  checkBytes(bytes);
  const accept = (connection: RawConnection) => connection.admitDatagram(bytes.length);
  return publishTo(CommandKind.sendDatagram, list("connections", connections, RawConnection), accept, bytes);
}

function publishTo<Target extends NativeTarget>(
  kind: number,
  targets: readonly Target[],
  accept: (target: Target) => boolean,
  bytes: Uint8Array,
): number {
  if (targets.length === 0) return 0;
  const handles = new Uint32Array(targets.length * 2);
  let accepted = 0;
  for (const target of targets) {
    if (!accept(target)) continue;
    handles[accepted * 2] = target.slot;
    handles[accepted * 2 + 1] = target.generation;
    accepted += 1;
  }
  if (accepted === 0) return 0;
  const engine: Engine = sharedEngine();
  engine.outbox.flush();
  return engine.native.publish(kind, 0, handles.subarray(0, accepted * 2), bytes, undefined);
}

/** Checked before anything is counted. */
function list<T>(
  name: string,
  given: readonly unknown[],
  type: abstract new (...args: never[]) => T,
): readonly T[] {
  if (!Array.isArray(given)) throw new InvalidArgumentError(`${name} must be a list, and not ${show(given)}`);
  for (const item of given) {
    if (item instanceof type) continue;
    throw new InvalidArgumentError(`${name} must hold those of millrace/quic only, and not ${show(item)}`);
  }
  return given as unknown as readonly T[];
}
