import { failureAnswer, readReply } from "../../delivery/answer.js";
import { FailureCode, type Reply } from "../../delivery/failure.js";
import type { Outgoing } from "../../delivery/outgoing.js";
import { ProtocolViolationError } from "../../errors.js";
import { Kind } from "../../frame/frame.js";
import { encodeCommand, readCommand } from "./command.js";
import { type EarlyClaims, SharedEarlyClaims } from "./early_claims.js";
import type { Elsewhere } from "./elsewhere.js";
import { PeerKind } from "./peer_kind.js";
import type { Peers } from "./peers.js";
import { encodeFittingReply } from "./reply_command.js";

/** An answer that does not say yet to which of several equal messages. */
export type EarlyAnswer = Omit<Outgoing, "type">;

/** What this environment knows of a message: its answer, or that it has done nothing of the kind. */
export type KnownEarly = (key: string, body: number) => EarlyAnswer | Promise<EarlyAnswer> | undefined;

/** So long another environment may take to answer what it does. Its dispatcher ends what takes longer, by default. */
const patienceMs = 35_000;

/**
 * The early messages of the group's environments, which do each of them once together: a copy may come to another one than
 * what it is a copy of. Whoever is first does it, and tells its answer to those who ask.
 */
export class EarlyElsewhere {
  readonly #peers: Peers;
  readonly #elsewhere: Elsewhere;
  readonly #claims: EarlyClaims | undefined;
  /** What others are asked and have not answered yet, by key and body. */
  readonly #asked = new Map<string, Promise<EarlyAnswer>>();

  constructor(peers: Peers, elsewhere: Elsewhere, known: KnownEarly) {
    const { earlyClaims } = peers.group;
    this.#peers = peers;
    this.#elsewhere = elsewhere;
    this.#claims = earlyClaims && new SharedEarlyClaims(earlyClaims, peers.environment);
    peers.onPost(PeerKind.early, (bytes, sender) => {
      const { id, subject = "", details } = readCommand(bytes);
      const { body } = details;
      if (typeof body !== "number") throw new ProtocolViolationError("an early message has no body");
      const most = peers.sessions.maxPostBytes;
      const tell = (reply: Reply) =>
        elsewhere.answer(sender, PeerKind.reply, encodeFittingReply(id, reply, most));
      void Promise.resolve(known(fromHex(subject), body) ?? notKnown).then((answer) => tell(replyOf(answer)));
    });
  }

  /** @returns whose it is: this environment's own, another's, or nobody's where there is no room. */
  claim(key: string): "own" | number | undefined {
    const owner = this.#claims === undefined ? this.#peers.environment : this.#claims.claim(key);
    return owner === this.#peers.environment ? "own" : owner;
  }

  /** It is not done. */
  release(key: string): void {
    this.#claims?.release(key);
  }

  /** What comes of the same that another environment is asked already: however many copies there are, they ask it once. */
  asked(key: string, body: number): Promise<EarlyAnswer> | undefined {
    return this.#asked.get(askedKey(key, body));
  }

  /** What another environment answers, which does it; `tooEarly` where it knows nothing of it, or is gone. */
  ask(owner: number, key: string, body: number): Promise<EarlyAnswer> {
    const asked = askedKey(key, body);
    const answered = this.#ask(owner, key, body);
    this.#asked.set(asked, answered);
    void answered.then(() => this.#asked.delete(asked));
    return answered;
  }

  async #ask(owner: number, key: string, body: number): Promise<EarlyAnswer> {
    const wait = { timeoutMs: patienceMs };
    try {
      const reply = await this.#elsewhere.ask(owner, PeerKind.early, wait, (id) =>
        encodeCommand({ id, subject: toHex(key), details: { body } }),
      );
      return answerOf(reply);
    } catch {
      return notKnown; // it does not keep up
    }
  }
}

const notKnown: EarlyAnswer = failureAnswer(0, FailureCode.tooEarly, "not known here");

function replyOf({ kind, subject, payload, meta }: EarlyAnswer): Reply {
  return readReply({ ...{ kind, flags: 0, channel: 0, type: 0, seq: 0, ref: 0 }, subject, payload, meta });
}

function answerOf(reply: Reply): EarlyAnswer {
  if (reply.status === "success") return { kind: Kind.Response, payload: reply.payload };
  if (reply.status === "timeout") return notKnown; // whether it was done nobody can say: it may be done twice
  if (reply.code === FailureCode.lost) return notKnown;
  return failureAnswer(0, reply.code, reply.reason, reply.retryAfterMs);
}

function askedKey(key: string, body: number): string {
  return `${body}\n${key}`;
}

/** A key has any bytes, and a subject is text. */
function toHex(key: string): string {
  return Buffer.from(key, "utf16le").toString("hex");
}

function fromHex(text: string): string {
  return Buffer.from(text, "hex").toString("utf16le");
}
