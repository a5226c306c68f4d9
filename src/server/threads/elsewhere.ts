import { randomInt } from "node:crypto";
import { FailureCode, type Reply } from "../../delivery/failure.js";
import { PendingRequests, RequestBudget } from "../../delivery/pending_requests.js";
import { SuccessfulReply } from "../../delivery/reply.js";
import {
  checkRequestOptions,
  checkSendOptions,
  type RequestOptions,
  type SendOptions,
} from "../../delivery/send_options.js";
import { parseId } from "../../delivery/session_id.js";
import { FrameTooLargeError, ProtocolViolationError, ResourceExhaustedError } from "../../errors.js";
import type { Claim } from "../../session/claim.js";
import type { SessionHandle } from "../../session/handle.js";
import { IdKind, type InboxResult } from "../../session/sessions.js";
import { type CloseOptions, readCloseOptions } from "../../transport/close.js";
import type { WaitOptions } from "../../transport/wait.js";
import { clientWords, idWords } from "../session_id.js";
import { asJson, encodeCommand, encodeMessage, readCommand } from "./command.js";
import { PatientPosts } from "./patient_posts.js";
import { PeerKind } from "./peer_kind.js";
import type { Peers } from "./peers.js";

/** A session of another environment. */
export interface Found {
  readonly handle: SessionHandle;
  readonly owner: number;
}

/** What waits for an environment's answers. */
interface Asked {
  readonly claim: Claim | undefined;
  readonly requests: PendingRequests;
}

/** How a request waits that does not say. */
export interface AskingLimits {
  /** May be another later. */
  readonly requestTimeoutMs: number;
  readonly requestBudget: RequestBudget;
}

/** The sessions of the group's other environments, as those see them who address them. */
export class Elsewhere {
  readonly #peers: Peers;
  readonly #patient: PatientPosts;
  readonly #limits: AskingLimits;
  /** What waits for answers of each environment. */
  readonly #requests = new Map<number, Asked>();
  /** By environment: its sessions that have others in their places, of which it could not be told yet. */
  readonly #replaced = new Map<number, Set<SessionHandle>>();

  constructor(
    peers: Peers,
    limits: AskingLimits = { requestTimeoutMs: 30_000, requestBudget: new RequestBudget(50_000) },
  ) {
    this.#peers = peers;
    this.#patient = new PatientPosts(peers);
    this.#limits = limits;
    peers.onPost(PeerKind.reply, (bytes, sender) => this.#onReply(bytes, sender));
    peers.onLeft((environment) => {
      this.#forgetEnded(environment);
    });
    peers.onDrain((environment) => this.#tellAllReplaced(environment)); // behind what waits patiently
  }

  /** How many sessions there are there. */
  get sessionCount(): number {
    return this.#peers.sessionsOfOthers;
  }

  session(id: string): Found | undefined {
    const bytes = parseId(id);
    return bytes && this.#find(IdKind.session, idWords(bytes));
  }

  /** The newest session of a client id, where that is there. */
  client(clientId: string): Found | undefined {
    return this.#find(IdKind.client, clientWords(clientId));
  }

  #find(kind: IdKind, id: Uint32Array): Found | undefined {
    const found = this.#peers.sessions.find(kind, id);
    return found === undefined || found.owner === this.#peers.environment ? undefined : found;
  }

  /** @throws InvalidArgumentError, FrameTooLargeError */
  send({ handle, owner }: Found, payload: Uint8Array, options?: SendOptions): InboxResult {
    const bytes = this.#fitting(encodeMessage(payload, options && checkSendOptions(options)));
    if (!this.#patient.isFree(owner)) return "dropped";
    return this.#peers.sendTo(handle, PeerKind.message, bytes);
  }

  /** To all sessions of a client id, wherever. @returns the worst of what their ways say. */
  sendToClient(clientId: string, payload: Uint8Array, options?: SendOptions): InboxResult {
    const message = encodeMessage(payload, options && checkSendOptions(options), { client: clientId });
    return this.#postToAll(PeerKind.clientMessage, this.#fitting(message));
  }

  /** To all sessions. @returns how many there are where it was handed to. */
  broadcast(payload: Uint8Array, options?: SendOptions): number {
    const bytes = this.#fitting(encodeMessage(payload, options && checkSendOptions(options)));
    let handed = 0;
    for (const environment of this.#peers.others) {
      const result = this.#post(environment, PeerKind.broadcast, bytes);
      if (result === "sent" || result === "blocked") handed += this.#peers.sessionsOf(environment);
    }
    return handed;
  }

  /** Behind what waits patiently: what is sent to a session after its end was ordered is not to come before that. */
  #post(environment: number, kind: number, bytes: Uint8Array): InboxResult {
    return this.#patient.isFree(environment) ? this.#peers.post(environment, kind, bytes) : "dropped";
  }

  #postToAll(kind: number, bytes: Uint8Array): InboxResult {
    const results = this.#peers.others.map((environment) => this.#post(environment, kind, bytes));
    for (const worst of ["dropped", "blocked", "sent"] as const) if (results.includes(worst)) return worst;
    return "gone";
  }

  /** @throws ResourceExhaustedError, AbortedError, FrameTooLargeError, InvalidArgumentError */
  async request(
    { handle, owner }: Found,
    subject: string,
    payload: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Reply> {
    const read = checkRequestOptions(subject, options);
    const { signal, priority, messageId, timeoutMs = this.#limits.requestTimeoutMs } = read;
    const details = { session: handle, priority, timeoutMs, messageId: asJson(messageId) };
    return this.ask(owner, PeerKind.request, { signal, timeoutMs }, (id) =>
      this.#fitting(encodeCommand({ id, subject, payload, details })),
    );
  }

  /**
   * Asks another environment, which answers by a `reply`.
   * @param encode makes what is asked, of the number by which the answer is known.
   * @throws ResourceExhaustedError, AbortedError; what `encode` throws
   */
  async ask(
    owner: number,
    kind: number,
    wait: WaitOptions,
    encode: (id: number) => Uint8Array,
  ): Promise<Reply> {
    const requests = this.#requestsTo(owner);
    return requests.ask(wait, (id) => {
      const result = this.#post(owner, kind, encode(id));
      if (result === "gone") {
        const reason = "the thread of its session has ended";
        queueMicrotask(() => requests.answer(id, { status: "failure", code: FailureCode.lost, reason }));
      }
      return result !== "dropped";
    });
  }

  #requestsTo(owner: number): PendingRequests {
    this.#forgetEnded(owner);
    const known = this.#requests.get(owner);
    if (known !== undefined) return known.requests;
    // Whoever had the owner's number before may have answered others, and that is read yet: so chance gives the ids.
    const requests = new PendingRequests(this.#limits.requestBudget, randomInt(2 ** 32));
    this.#requests.set(owner, { claim: this.#peers.sessions.claimOf(owner), requests });
    return requests;
  }

  /** That an environment has ended is told late, when another may have its number, and have been asked. */
  #forgetEnded(environment: number): void {
    const known = this.#requests.get(environment);
    if (known !== undefined && known.claim !== this.#peers.sessions.claimOf(environment)) {
      this.#requests.delete(environment);
      known.requests.end("the thread of its session has ended");
    }
    for (const handle of this.#replaced.get(environment) ?? []) {
      if (this.#peers.sessions.ownerOf(handle) !== environment)
        this.#replaced.get(environment)!.delete(handle);
    }
    if (this.#replaced.get(environment)?.size === 0) this.#replaced.delete(environment);
  }

  /** @throws InvalidArgumentError, ResourceExhaustedError */
  close({ handle, owner }: Found, options: CloseOptions = {}): void {
    const { code, reason, graceful, deadlineMs } = readCloseOptions(options);
    const details = { session: handle, code, reason, graceful, deadlineMs };
    this.order(owner, PeerKind.close, details);
  }

  /** Ends all sessions of a client id. @throws InvalidArgumentError, ResourceExhaustedError */
  revoke(clientId: string, reason: string): void {
    readCloseOptions({ reason });
    for (const environment of this.#peers.others) {
      this.order(environment, PeerKind.revoke, { client: clientId, reason });
    }
  }

  /**
   * A session has another in its place, where it is another environment's. That has begun by now: so where that thread does
   * not keep up, it is told when it does. There are no more to be told of than it has sessions.
   */
  replace(handle: SessionHandle): void {
    const owner = this.#peers.sessions.ownerOf(handle);
    if (owner < 0 || owner === this.#peers.environment || this.#tellReplaced(owner, handle)) return;
    const replaced = this.#replaced.get(owner) ?? new Set();
    this.#replaced.set(owner, replaced.add(handle));
  }

  #tellReplaced(owner: number, handle: SessionHandle): boolean {
    const command = encodeCommand({ id: 0, details: { session: handle } });
    return this.#patient.post(owner, PeerKind.replaced, command);
  }

  #tellAllReplaced(owner: number): void {
    const replaced = this.#replaced.get(owner);
    if (replaced === undefined) return;
    for (const handle of replaced) {
      if (!this.#tellReplaced(owner, handle)) return;
      replaced.delete(handle);
    }
    this.#replaced.delete(owner);
  }

  /**
   * The session by which a client id was known has ended, and so has nobody to whom it mattered that this finds no room:
   * a thread that does not keep up has the client known by its id when its next session begins.
   */
  rename(clientId: string): void {
    const bytes = encodeCommand({ details: { client: clientId } });
    for (const environment of this.#peers.others) this.#patient.post(environment, PeerKind.rename, bytes);
  }

  /** What is not to be lost waits where it finds no room. @throws ResourceExhaustedError */
  order(environment: number, kind: number, details: object, id = 0): void {
    if (this.#patient.post(environment, kind, encodeCommand({ id, details }))) return;
    throw new ResourceExhaustedError("another thread does not keep up with what this one tells it");
  }

  /** An answer: nobody gets it where that thread does not keep up, and who asked sees to it that it waits no longer. */
  answer(environment: number, kind: number, bytes: Uint8Array): void {
    this.#patient.post(environment, kind, bytes);
  }

  /** No answer comes any more. */
  end(): void {
    for (const { requests } of this.#requests.values()) requests.end("the server is closed");
    this.#requests.clear();
  }

  #fitting(bytes: Uint8Array): Uint8Array {
    const most = this.#peers.sessions.maxPostBytes;
    if (bytes.length <= most) return bytes;
    throw new FrameTooLargeError(
      `the message takes ${bytes.length} bytes on its way to another thread, and ${most} find room (inboxBytes)`,
    );
  }

  #onReply(bytes: Uint8Array, sender: number): void {
    const { id, payload, meta, details } = readCommand(bytes);
    const { status, code, reason, retryAfterMs } = details;
    if (status === "success") {
      this.#requests.get(sender)?.requests.answer(id, new SuccessfulReply(payload.slice(), meta));
    } else if (status === "timeout") {
      this.#requests.get(sender)?.requests.answer(id, { status });
    } else if (typeof code === "number" && typeof reason === "string") {
      const when = typeof retryAfterMs === "number" ? { retryAfterMs } : {};
      this.#requests.get(sender)?.requests.answer(id, { status: "failure", code, reason, ...when });
    } else {
      throw new ProtocolViolationError("a reply says nothing");
    }
  }
}
