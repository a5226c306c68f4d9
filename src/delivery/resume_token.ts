import { randomBytes, timingSafeEqual } from "node:crypto";
import { InvalidArgumentError } from "../errors.js";
import { maxClientIdBytes } from "./client_id.js";
import { putU32 } from "./meta.js";
import { sessionIdBytes } from "./session_id.js";
import { ShortHmac } from "./sha256.js";

/** What a token is good for. */
export interface ResumeGrant {
  /** The session's id, 16 bytes. */
  readonly session: Uint8Array;
  /** Which of the session's tokens this is; u32. The server takes the newest alone. */
  readonly counter: number;
  /** Whose the session is: the client id, or empty. */
  readonly principal: string;
  /** The process that has the session; u32. */
  readonly node: number;
}

const secretBytes = 32;
const tokenVersion = 1;
/** version u8, node u32, counter u32, then the code. */
const codeOffset = 9;
const codeBytes = 16;
const tokenBytes = codeOffset + codeBytes;
/** So that a code of ours for another purpose is never one of these, where an application has one secret for both. */
const purpose = "millrace resume token\n";
const maxCodedBytes = codeOffset + sessionIdBytes + maxClientIdBytes;

/**
 * Makes and checks the tokens by which clients resume their sessions. Nothing is kept: a token is node and counter,
 * and a code (HMAC-SHA-256 of RFC 2104, cut to 128 bits) over those, the session and its principal, so that it is good
 * for that session of that client alone.
 */
export class ResumeTokens {
  readonly #hmac: ShortHmac;

  /**
   * @param secret 32 bytes that all processes share which take each other's tokens; its own random ones by default.
   * @throws InvalidArgumentError
   */
  constructor(secret: Uint8Array = randomBytes(secretBytes)) {
    if (secret.length !== secretBytes) {
      throw new InvalidArgumentError(`a secret must have ${secretBytes} bytes, and not ${secret.length}`);
    }
    this.#hmac = new ShortHmac(secret, purpose, maxCodedBytes);
  }

  /** @returns 25 bytes. */
  mint({ session, counter, principal, node }: ResumeGrant): Uint8Array {
    if (session.length !== sessionIdBytes) {
      throw new InvalidArgumentError(`a session's id must have ${sessionIdBytes} bytes`);
    }
    const token = new Uint8Array(tokenBytes);
    token[0] = tokenVersion;
    putU32(token, 1, node);
    putU32(token, 5, counter);
    token.set(this.#code(token, session, principal), codeOffset);
    return token;
  }

  /**
   * In a time that does not depend on what is wrong with the code.
   * @param token of a stranger, of any length.
   * @returns undefined unless this token was minted, with this secret, for this session and principal.
   */
  verify(
    token: Uint8Array,
    { session, principal }: Pick<ResumeGrant, "session" | "principal">,
  ): Pick<ResumeGrant, "counter" | "node"> | undefined {
    if (token.length !== tokenBytes || token[0] !== tokenVersion) return undefined;
    const code = this.#code(token, session, principal);
    if (!timingSafeEqual(token.subarray(codeOffset), code)) return undefined;
    return { node: nodeOf(token), counter: new DataView(token.buffer, token.byteOffset).getUint32(5, true) };
  }

  #code(token: Uint8Array, session: Uint8Array, principal: string): Uint8Array {
    return this.#hmac.of(token.subarray(0, codeOffset), session, principal).subarray(0, codeBytes);
  }
}

/**
 * The node that a token names, before anything is checked: it says where to ask, and nothing else.
 * @returns undefined where this is no token.
 */
export function nodeOfToken(token: Uint8Array): number | undefined {
  return token.length === tokenBytes && token[0] === tokenVersion ? nodeOf(token) : undefined;
}

function nodeOf(token: Uint8Array): number {
  return new DataView(token.buffer, token.byteOffset).getUint32(1, true);
}
