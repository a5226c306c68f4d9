import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * What every datagram is: one frame, with the time and a number that no other datagram has before it, and behind it a
 * proof that somebody who has the secret wrote all of it. All integers are little-endian.
 *
 * ```text
 *  0  magic     "MRUD"
 *  4  version   1
 *  5  0, 0, 0
 *  8  time      milliseconds since 1970, u64
 * 16  nonce     sender: 8 random bytes of its socket; count: u64, of the sender's datagrams
 * 32  frame     as on every transport
 *  n  tag       HMAC-SHA256 of all before it, 32 bytes
 * ```
 *
 * @see docs/wire.md section 11
 */
const magic = 0x4455_524d;
const version = 1;
const timeOffset = 8;
const nonceOffset = 16;
const frameOffset = 32;
const tagBytes = 32;
/** Bytes of a nonce, and of the sender that it begins with. */
export const nonceBytes = 16;
const senderBytes = 8;

/** What fits into one packet on every link that IPv6 runs on (RFC 8200 section 5: 1,280), so that none is cut in parts. */
export const maxDatagramBytes = 1232;

/** Bytes around a datagram's frame. */
export const overheadBytes = frameOffset + tagBytes;

/** The largest frame of a datagram. */
export const maxFrameBytes = maxDatagramBytes - overheadBytes;

/** What is wrong with a datagram; in this order it is looked at. */
export type Fault = "malformed" | "late" | "forged" | "own";

/** A datagram that somebody with the secret has written: not yet known is whether it came before. */
export interface Opened {
  readonly timeMs: number;
  /** A view of the datagram, as the next. */
  readonly nonce: Uint8Array;
  readonly frame: Uint8Array;
}

/** Writes and reads the datagrams of one party. */
export class Envelope {
  readonly #keys: readonly KeyObject[];
  readonly #sender = randomBytes(senderBytes);
  #count = 0n;

  /** @param secrets the first one signs, each is taken. */
  constructor(secrets: readonly Uint8Array[]) {
    this.#keys = secrets.map((secret) => createSecretKey(secret));
  }

  /** @param frame at most {@link maxFrameBytes}; copied. */
  seal(frame: Uint8Array, nowMs: number): Uint8Array {
    const datagram = new Uint8Array(frame.length + overheadBytes);
    const view = new DataView(datagram.buffer);
    view.setUint32(0, magic, true);
    view.setUint8(4, version);
    view.setBigUint64(timeOffset, BigInt(Math.trunc(nowMs)), true);
    datagram.set(this.#sender, nonceOffset);
    view.setBigUint64(nonceOffset + senderBytes, this.#count++, true);
    datagram.set(frame, frameOffset);
    datagram.set(tagOf(this.#keys[0]!, datagram), datagram.length - tagBytes);
    return datagram;
  }

  /** What costs least is looked at first: a stranger's datagram is worth no more. */
  open(datagram: Uint8Array, nowMs: number, windowMs: number): Opened | Fault {
    const { buffer, byteOffset, length } = datagram;
    if (length <= overheadBytes || length > maxDatagramBytes) return "malformed";
    const view = new DataView(buffer, byteOffset, length);
    if (view.getUint32(0, true) !== magic || view.getUint32(4, true) !== version) return "malformed";
    const timeMs = Number(view.getBigUint64(timeOffset, true));
    if (Math.abs(nowMs - timeMs) > windowMs) return "late";
    if (!this.#isSigned(datagram)) return "forged";
    const nonce = datagram.subarray(nonceOffset, frameOffset);
    if (this.#isOfSender(nonce)) return "own";
    return { timeMs, nonce, frame: new Uint8Array(buffer, byteOffset + frameOffset, length - overheadBytes) };
  }

  /** Whether one of the datagrams sealed here has this nonce. */
  isOwn(nonce: Uint8Array): boolean {
    if (nonce.length !== nonceBytes || !this.#isOfSender(nonce)) return false;
    return new DataView(nonce.buffer, nonce.byteOffset).getBigUint64(senderBytes, true) < this.#count;
  }

  #isOfSender(nonce: Uint8Array): boolean {
    return this.#sender.equals(nonce.subarray(0, senderBytes));
  }

  #isSigned(datagram: Uint8Array): boolean {
    const tag = datagram.subarray(-tagBytes);
    return this.#keys.some((key) => timingSafeEqual(tagOf(key, datagram), tag));
  }
}

/** @param datagram its own tag is not looked at. */
function tagOf(key: KeyObject, datagram: Uint8Array): Buffer {
  return createHmac("sha256", key).update(datagram.subarray(0, -tagBytes)).digest();
}
