import { costOf } from "../delivery/frame_cost.js";
import { isCompressed, sizeBytes } from "../frame/compressed_payload.js";
import type { FrameContents } from "../frame/frame.js";

/** What a session may have waiting, and all together. */
export interface UnsequencedLimits {
  readonly sessionBytes: number;
  readonly totalBytes: number;
}

/**
 * The bytes of messages without a sequence (`unreliable`, `latest`) that wait for an asynchronous handler. No window counts
 * them, as it counts those that are acknowledged; and a compressed one of a few bytes may wait as a large one. What finds no
 * room is dropped, as such messages may be. Who has none waiting costs nothing.
 */
export class Unsequenced<Owner extends object> {
  readonly #bytes = new Map<Owner, number>();
  #totalBytes = 0;
  /** Whether one may wait, too. @param message may be compressed still: what it says to be is counted. */
  hasRoomFor(
    owner: Owner,
    message: Readonly<FrameContents>,
    { sessionBytes, totalBytes }: UnsequencedLimits,
  ): boolean {
    const bytes = waitingBytes(message);
    const own = (this.#bytes.get(owner) ?? 0) + bytes;
    return own <= sessionBytes && this.#totalBytes + bytes <= totalBytes;
  }

  /** So much waits more, or no longer. */
  add(owner: Owner, bytes: number): void {
    const before = this.#bytes.get(owner);
    if (before === undefined && bytes < 0) return; // it was forgotten meanwhile
    const now = (before ?? 0) + bytes;
    if (now === 0) this.#bytes.delete(owner);
    else this.#bytes.set(owner, now);
    this.#totalBytes += bytes;
  }

  /** Its session is over, and what waited is dropped. */
  forget(owner: Owner): void {
    this.#totalBytes -= this.#bytes.get(owner) ?? 0;
    this.#bytes.delete(owner);
  }
}

function waitingBytes(message: Readonly<FrameContents>): number {
  const { flags, payload } = message;
  const bytes = costOf(message);
  if (!isCompressed(flags) || payload.length < sizeBytes) return bytes;
  const plainBytes = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  return bytes - payload.length + plainBytes;
}
