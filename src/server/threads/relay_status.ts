import { InternalError } from "../../errors.js";

/** How one end of a relay stands. The owner's says `isPaused`, the edge's all else. */
export interface RelayStatus {
  /** Bytes of units that the client's transport has taken and sent: the low 32 bits of their sum. */
  readonly takenBytes: number;
  /** No units are wanted now. */
  readonly isPaused: boolean;
  /** Undefined where the transport measures none. */
  readonly roundTripMs: number | undefined;
  /** Undefined where no datagrams go. */
  readonly maxDatagramBytes: number | undefined;
}

const statusBytes = 16;
const unknown = 0xffff_ffff;

export function encodeStatus({
  takenBytes,
  isPaused,
  roundTripMs,
  maxDatagramBytes,
}: RelayStatus): Uint8Array {
  const bytes = new Uint8Array(statusBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, takenBytes >>> 0, true);
  view.setUint32(4, isPaused ? 1 : 0, true);
  view.setUint32(
    8,
    roundTripMs === undefined ? unknown : Math.min(Math.round(roundTripMs * 1_000), unknown - 1),
    true,
  );
  view.setUint32(12, maxDatagramBytes ?? 0, true);
  return bytes;
}

/** @throws InternalError where it is none. */
export function readStatus(bytes: Uint8Array): RelayStatus {
  if (bytes.length !== statusBytes) throw new InternalError(`a relay's status has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const roundTripMicros = view.getUint32(8, true);
  const maxDatagramBytes = view.getUint32(12, true);
  return {
    takenBytes: view.getUint32(0, true),
    isPaused: view.getUint32(4, true) !== 0,
    roundTripMs: roundTripMicros === unknown ? undefined : roundTripMicros / 1_000,
    maxDatagramBytes: maxDatagramBytes === 0 ? undefined : maxDatagramBytes,
  };
}
