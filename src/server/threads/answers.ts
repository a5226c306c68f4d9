import { FailureCode, type Reply } from "../../delivery/failure.js";
import type { RequestOptions, SendOptions } from "../../delivery/send_options.js";
import { InvalidArgumentError, MillraceError, ProtocolViolationError } from "../../errors.js";
import type { SessionHandle } from "../../session/handle.js";
import { CloseCode, type CloseOptions } from "../../transport/close.js";
import type { ServerCore } from "../core.js";
import type { ServerSession } from "../server_session.js";
import { type Command, encodeCommand, fromJson, messageOptions, readCommand } from "./command.js";
import { readRange } from "./listing.js";
import { PeerKind } from "./peer_kind.js";
import { encodeFittingReply, encodeReply, failure } from "./reply_command.js";

/** So that they fit into the smallest inbox. */
const infosPerRecord = 20;

/** Does for a server's sessions what other environments ask for. */
export class Answers<Data> {
  readonly #core: ServerCore<Data>;

  constructor(core: ServerCore<Data>) {
    this.#core = core;
    const { peers } = core;
    peers.onSessionPost(PeerKind.message, (handle, bytes) => this.#onMessage(handle, readCommand(bytes)));
    peers.onPost(PeerKind.clientMessage, (bytes) => this.#onClientMessage(readCommand(bytes)));
    peers.onPost(PeerKind.broadcast, (bytes) => this.#onBroadcast(readCommand(bytes)));
    peers.onPost(PeerKind.request, (bytes, sender) => this.#onRequest(readCommand(bytes), sender));
    peers.onPost(PeerKind.close, (bytes) => this.#onClose(readCommand(bytes)));
    peers.onPost(PeerKind.replaced, (bytes) => this.#onReplaced(readCommand(bytes)));
    peers.onPost(PeerKind.revoke, (bytes) => this.#onRevoke(readCommand(bytes)));
    peers.onPost(PeerKind.list, (bytes, sender) => this.#onList(readCommand(bytes), sender));
    peers.onPost(PeerKind.rename, (bytes) => this.#onRename(readCommand(bytes)));
  }

  #onMessage(handle: SessionHandle, command: Command): void {
    const session = this.#core.registry.at(handle);
    if (session !== undefined) send(session, command.payload, messageOptions(command));
  }

  #onClientMessage(command: Command): void {
    const options = messageOptions(command, "client");
    for (const session of [...this.#core.registry.ofClient(textOf(command, "client"))]) {
      send(session, command.payload, options);
    }
  }

  #onBroadcast(command: Command): void {
    const options = messageOptions(command);
    for (const session of this.#core.registry) send(session, command.payload, options);
  }

  #onRequest(command: Command, sender: number): void {
    const { id, details } = command;
    const answer = (bytes: Uint8Array) => this.#core.elsewhere.answer(sender, PeerKind.reply, bytes);
    const session = this.#sessionOf(command);
    if (session === undefined || session.isClosing) {
      answer(encodeReply(id, failure(FailureCode.lost, "there is no such session")));
      return;
    }
    const { session: _, messageId, ...rest } = details;
    const options = { ...rest, messageId: fromJson(messageId) } as RequestOptions;
    session.request(command.subject ?? "", command.payload, options).then(
      (reply) => answer(encodeFittingReply(id, reply, this.#core.sessions.maxPostBytes)),
      (cause: unknown) => answer(encodeReply(id, failureOf(cause))),
    );
  }

  #onClose(command: Command): void {
    const { session: _, ...options } = command.details;
    this.#sessionOf(command)?.close(options as CloseOptions);
  }

  #onReplaced(command: Command): void {
    this.#sessionOf(command)?.endBy("replaced", CloseCode.superseded, "its client connected again", false);
  }

  #onRevoke(command: Command): void {
    const reason = textOf(command, "reason");
    for (const session of [...this.#core.registry.ofClient(textOf(command, "client"))]) {
      session.endBy("local", CloseCode.unauthenticated, reason, false);
    }
  }

  #onRename(command: Command): void {
    this.#core.registry.rename(textOf(command, "client"));
  }

  #onList({ id, details }: Command, sender: number): void {
    const infos = this.#core.infosOf(readRange(details));
    for (let at = 0; at === 0 || at < infos.length; at += infosPerRecord) {
      const last = at + infosPerRecord >= infos.length;
      const sessions = infos.slice(at, at + infosPerRecord);
      this.#core.elsewhere.answer(
        sender,
        PeerKind.listed,
        encodeCommand({ id, details: { sessions, last } }),
      );
    }
  }

  #sessionOf({ details }: Command): ServerSession<Data> | undefined {
    const { session } = details;
    if (typeof session !== "number") throw new ProtocolViolationError("a command names no session");
    return this.#core.registry.at(session as SessionHandle);
  }
}

function textOf({ details }: Command, name: string): string {
  const text = details[name];
  if (typeof text !== "string") throw new ProtocolViolationError(`a command has no ${name}`);
  return text;
}

/** What a session does not take is not sent: who asked is in another thread, and was told that it is on its way. */
function send<Data>(
  session: ServerSession<Data>,
  payload: Uint8Array,
  options: SendOptions | undefined,
): void {
  if (session.isClosing) return;
  try {
    session.send(payload, options);
  } catch (cause) {
    // The client takes smaller ones only: that is no fault of the others, who get it.
    if (!(cause instanceof MillraceError) || cause instanceof InvalidArgumentError) throw cause;
  }
}

/** What `request` throws in this thread is an answer in another. */
function failureOf(cause: unknown): Reply {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof MillraceError)) return failure(FailureCode.internal, reason);
  if (cause.code === "ERR_MILLRACE_SESSION_CLOSED") return failure(FailureCode.lost, reason);
  return failure(cause.retryable ? FailureCode.overloaded : FailureCode.malformed, reason);
}
