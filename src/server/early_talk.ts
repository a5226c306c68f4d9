import { contentsOf } from "../delivery/contents.js";
import { type EarlyMessage, readEarly } from "../delivery/early_message.js";
import type { Hello } from "../delivery/hello.js";
import { sendFrame } from "../frame/unit.js";
import { CloseCode } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import type { ServerCore } from "./core.js";
import type { ServerSession } from "./server_session.js";
import type { EarlyAnswer } from "./threads/early_elsewhere.js";

/** Who is welcomed. */
interface Welcomed<Data> {
  readonly session: ServerSession<Data>;
  readonly resumed: boolean;
  readonly data: Data;
  readonly hello: Hello;
}

/** What a client says with its Hello, and is told on the same connection, before its session begins. */
export class EarlyTalk<Data> {
  readonly #core: ServerCore<Data>;
  readonly #transport: TransportConnection;
  #said: readonly EarlyMessage[];
  /** What is done under ids, and the session is to know; undefined once it has begun. */
  #notes: (() => void)[] | undefined = [];

  private constructor(core: ServerCore<Data>, transport: TransportConnection, said: readonly EarlyMessage[]) {
    this.#core = core;
    this.#transport = transport;
    this.#said = said;
  }

  /** @returns undefined where a Hello says nothing of the kind. @throws ProtocolViolationError, FrameMalformedError */
  static of<Data>(
    core: ServerCore<Data>,
    transport: TransportConnection,
    { early = [] }: Hello,
  ): EarlyTalk<Data> | undefined {
    return early.length === 0 ? undefined : new EarlyTalk(core, transport, readEarly(early));
  }

  /** The client is about to be welcomed. */
  answer({ session, data, resumed, hello }: Welcomed<Data>): void {
    const { transport, remoteAddress } = this.#transport;
    const { clientId } = session;
    this.#core.early.answer(this.#said, {
      client: { clientId, data, transport, remoteAddress, resuming: resumed },
      maxBytes: Math.min(this.#core.options.maxMessageBytes, hello.maxMessageBytes),
      knowsId: (id) => session.knowsId(id),
      refuse: (message, answer) => this.#tell(message, answer),
      take: (message) => this.#take(session, message),
    });
    this.#said = [];
  }

  /** The session begins, or goes on, by this connection. */
  begun(): void {
    const notes = this.#notes ?? [];
    this.#notes = undefined;
    for (const note of notes) note();
  }

  /** What comes under its id in the session is the same, from now on. */
  #take(session: ServerSession<Data>, message: EarlyMessage): (answer: EarlyAnswer) => void {
    const { frame, marks } = message;
    if (marks?.id === undefined) return (answer) => this.#tell(message, answer);
    let isFirst = false;
    this.#note(() => {
      isFirst = session.begunEarly(frame, marks);
    });
    return (answer) => {
      this.#note(() => {
        if (isFirst) session.doneEarly(frame, marks, { ...answer, type: frame.type });
      });
      this.#tell(message, answer);
    };
  }

  #note(note: () => void): void {
    if (this.#notes === undefined) note();
    else this.#notes.push(note);
  }

  #tell({ frame, place: ref }: EarlyMessage, answer: EarlyAnswer): void {
    const transport = this.#transport;
    if (transport.state !== "open") return; // it is said again
    const { kind, payload, subject, meta = [] } = answer;
    const told = contentsOf(kind, { type: frame.type, ref, payload, subject, meta });
    const sent = sendFrame(transport, this.#core.codecOf(transport), told);
    if (sent === "dropped") transport.close({ code: CloseCode.exhausted, graceful: false });
  }
}
