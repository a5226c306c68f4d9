import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import { encodeCommit } from "../delivery/commit.js";
import {
  type CompressionFigures,
  commonCompression,
  type SessionCompression,
} from "../delivery/compression.js";
import type { Confirmation, Rejection } from "../delivery/confirmation.js";
import { type Cursors, noCursors } from "../delivery/cursors.js";
import { FailureCode, type Reply, RequestFailure } from "../delivery/failure.js";
import { costOf } from "../delivery/frame_cost.js";
import { readGoAway } from "../delivery/goaway.js";
import { halfContext } from "../delivery/half_options.js";
import type { Hello } from "../delivery/hello.js";
import { MessageView, OwnMessage } from "../delivery/message.js";
import type { Outgoing } from "../delivery/outgoing.js";
import { RequestBudget } from "../delivery/pending_requests.js";
import { takeRest } from "../delivery/rest.js";
import {
  type ClientRequestOptions,
  type MessageId,
  type RetryOptions,
  readClientRequest,
} from "../delivery/send_options.js";
import type { AskOptions } from "../delivery/session_half.js";
import { idText } from "../delivery/session_id.js";
import { SpeakingHalf } from "../delivery/speaking_half.js";
import type { Welcome } from "../delivery/welcome.js";
import {
  ProtocolViolationError,
  ResourceExhaustedError,
  SessionClosedError,
  TimeoutError,
} from "../errors.js";
import { CodecCarrier } from "../frame/codec_carrier.js";
import { type FrameContents, Kind, type MetaEntry } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../transport/close.js";
import type { SendResult } from "../transport/connection.js";
import { unref } from "../transport/timer.js";
import { readWait, type WaitOptions } from "../transport/wait.js";
import { Answering } from "./answering.js";
import type { ClientBehaviour, ClientRequest } from "./behaviour.js";
import type { Carried, ClientState, Flight, LostSession } from "./carried.js";
import type { Choice } from "./choice.js";
import type { Dialled } from "./dial.js";
import type { Extras } from "./extras.js";
import { greetingOf } from "./greeting.js";
import { ClientHandlers } from "./handlers.js";
import type { Totals } from "./journal.js";
import type { Linger } from "./linger.js";
import type { MessageInbox } from "./message_inbox.js";
import type { ReadClientOptions } from "./options.js";
import type { Part } from "./part.js";
import type { Platform } from "./platform.js";
import { Reconnection } from "./reconnection.js";
import { Repeater } from "./repeater.js";
import type { ClientSession } from "./session.js";
import type { SessionStatistics } from "./session_statistics.js";
import type { SubscribeFrom, Subscription } from "./subscription.js";
import type { Topics } from "./topics.js";

/** Acknowledgements that no message has carried are sent so often. */
const turnMs = 50;
/** How often it is looked for what has waited too long without a connection. */
const agingMs = 1_000;
/** What a frame says of the topics that a client has heard takes so much at the most. */
const maxPlacesBytes = 16 * 1_024;
const view = new MessageView();
const nothing = new Uint8Array(0);

/** A {@link ClientSession}: what is said in it; what keeps it connected is its {@link Reconnection}. */
export class ResumableSession extends SpeakingHalf implements ClientSession, Carried {
  /** Takes the messages that no handler takes, and says itself when they are handled: see `messagesOf`. */
  inbox: MessageInbox | undefined = undefined;
  readonly #handlers: ClientHandlers;
  readonly #options: ReadClientOptions;
  readonly #reconnection: Reconnection;
  readonly #extras: Part<Extras>;
  #topics: Topics | undefined = undefined;
  readonly #linger: Linger | undefined;
  #welcome: Welcome | undefined = undefined;
  readonly #answering = new Answering();
  readonly #choice: Choice | undefined;
  readonly #repeater: Repeater;
  /** What is asked on this connection, and not in the session. */
  #flight: Flight | undefined = undefined;
  #life = 0;
  /** Looks whether what waits without a connection is too old. */
  #aging: NodeJS.Timeout | undefined = undefined;
  #acks: NodeJS.Timeout | undefined = undefined;
  #resolveClosed!: (info: CloseInfo) => void;
  readonly closed: Promise<CloseInfo> = new Promise((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(
    urls: readonly string[],
    options: ReadClientOptions,
    behaviour: ClientBehaviour,
    platform: Platform,
  ) {
    const requests = new RequestBudget(options.maxPendingRequests);
    super(halfContext(options, requests, options.queuePolicy));
    this.#options = options;
    this.#choice = platform.choice;
    this.#repeater = new Repeater(options, platform.clock, requests);
    this.#handlers = new ClientHandlers(behaviour, this);
    this.#reconnection = new Reconnection(urls, options, platform, this, this.#handlers);
    this.#extras = platform.extras;
    const extras = platform.extras.here;
    if (extras !== undefined) this.#addTopics(extras);
    if (options.lingerMs > 0) this.#linger = new extras!.Linger(options, platform.clock, this);
  }

  get id(): string {
    return idText(this.#welcome?.session ?? nothing);
  }

  override get life(): number {
    return this.#life;
  }

  get clientId(): string | undefined {
    return this.#welcome?.clientId;
  }

  get state(): ClientState {
    return this.#reconnection.state;
  }

  get transport(): string | undefined {
    return this.#reconnection.dialled?.connection.transport;
  }

  get bytesQueued(): number {
    return this.outbound.bytesQueued;
  }

  get totals(): Totals {
    const { messagesSent, bytesSent } = this.outbound;
    return {
      messagesSent,
      bytesSent,
      messagesReceived: this.messagesReceived,
      bytesReceived: this.bytesReceived,
    };
  }

  /** Faults of handlers, and what else was told to `error`. */
  get errors(): number {
    return this.#handlers.errors;
  }

  statistics(): Promise<SessionStatistics> {
    return this.#reconnection.statistics(this);
  }

  /** Whether the behaviour has a handler for messages of all subjects. */
  get takesMessages(): boolean {
    return this.#handlers.takesMessages;
  }

  get compression(): CompressionFigures | undefined {
    return this.compressionFigures && { ...this.compressionFigures };
  }

  /** Connects for the first time. */
  async begin(): Promise<void> {
    this.#handlers.call("connecting");
    try {
      await this.#reconnection.begin();
    } catch (cause) {
      clearInterval(this.#aging);
      this.endHalf("the session did not begin"); // what was sent meanwhile, if anything
      throw cause;
    }
  }

  switchTo(where: string): Promise<boolean> {
    return this.#reconnection.switchTo(where);
  }

  async ping(options: WaitOptions = {}): Promise<number> {
    const { signal, timeoutMs = this.#options.requestTimeoutMs } = readWait(options);
    this.checkOpen();
    return this.#reconnection.ping({ signal, timeoutMs });
  }

  abandon(): void {
    this.#reconnection.abandon();
  }

  subscribe(pattern: string, options: { readonly from?: SubscribeFrom } = {}): Promise<Subscription> {
    return this.#withTopics((topics) => topics.subscribe(pattern, options));
  }

  unsubscribe(pattern: string): Promise<void> {
    return this.#withTopics((topics) => topics.unsubscribe(pattern));
  }

  publish(topic: string, message: Uint8Array | string): Promise<void> {
    return this.#withTopics((topics) => topics.publish(topic, message));
  }

  /** A page loads them here, unless its session has a handler for them. */
  async #withTopics<T>(call: (topics: Topics) => Promise<T>): Promise<T> {
    return call(this.#topics ?? this.#addTopics(await this.#extras.load()));
  }

  #addTopics({ Topics }: Extras): Topics {
    this.#topics ??= new Topics((...asked) => this.#asked(...asked), this.#handlers);
    return this.#topics;
  }

  async close(options: CloseOptions = {}): Promise<CloseInfo> {
    this.sendAcks(true);
    this.#linger?.flush();
    this.#reconnection.close(options);
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  hello(): Omit<Hello, "token"> {
    return greetingOf(this.#options, this.#resumption());
  }

  early(): Flight | undefined {
    return this.#choice?.flight(this);
  }

  #resumption(): Hello["resumption"] {
    if (this.#welcome === undefined) return undefined;
    const { session, resume } = this.#welcome;
    const places = this.#topics?.positions.places(this.#maxPlacesBytes);
    return { session, resume, cursors: this.inbound.cursors(), places };
  }

  get #maxPlacesBytes(): number {
    return Math.min(maxPlacesBytes, this.peerMaxBytes / 2);
  }

  carryOn(dialled: Dialled): LostSession | undefined {
    const { connection, welcome, codec } = dialled;
    const compression = this.#agreed(welcome);
    const wasPaused = this.carrier === undefined;
    clearInterval(this.#aging);
    this.#flight?.land();
    const isLost = this.#welcome !== undefined && !welcome.resumed;
    const lost = isLost ? this.#restart() : undefined;
    this.#welcome = welcome;
    this.#flight = dialled.flight;
    this.#flight?.board(welcome.answersEarly === true);
    this.peerMaxBytes = welcome.maxMessageBytes;
    const carrier = codec === undefined ? connection : new CodecCarrier(connection, codec);
    this.carrier = compression?.carry(carrier, this.compressionFigures) ?? carrier;
    this.compressionFigures = this.carrier.compressing?.figures ?? this.compressionFigures;
    sendFrame(connection, codec, encodeCommit());
    this.#attach(welcome, welcome.resumed ? welcome.cursors : noCursors, wasPaused);
    this.sendAcks(true); // what the server was told on the connection before, it may never hear
    this.pump(this.nowMs);
    if (isLost) this.#topics?.renew(this.#maxPlacesBytes);
    return lost;
  }

  /** @throws ProtocolViolationError where the server compresses in a way that this client does not. */
  #agreed({ compression: id }: Welcome): SessionCompression | undefined {
    const agreed = id && commonCompression(this.#options.compression, [id]);
    if (id === undefined || agreed !== undefined) return agreed;
    throw new ProtocolViolationError("the server compresses by what was not offered");
  }

  /** @throws ProtocolViolationError */
  #attach({ windowBytes }: Welcome, cursors: Cursors, wasPaused: boolean): void {
    // Who was connected meanwhile may have been told more there than the welcome says.
    const agrees = !wasPaused || this.outbound.canResume(cursors);
    if (!agrees || !this.outbound.attach(this.carrier!, windowBytes, cursors, this.nowMs)) {
      throw new ProtocolViolationError("the server and this client do not agree on what was sent");
    }
  }

  /** The server has lost the session. */
  #restart(): LostSession {
    this.#life += 1;
    this.#answering.clear();
    const lost: LostSession = { topic: undefined, ...this.restartHalf("the server has lost the session") };
    this.inbox?.miss(lost);
    return lost;
  }

  pause(): void {
    this.carrier = undefined;
    this.outbound.detach();
    this.#flight?.land();
    this.#flight = undefined;
    clearInterval(this.#aging);
    this.#aging = unref(setInterval(() => this.pump(this.nowMs), agingMs));
  }

  drain(): void {
    this.drained(this.nowMs);
  }

  get isQuiet(): boolean {
    const { bytesUnacknowledged, hasWaiting } = this.outbound;
    return this.requestsPending === 0 && bytesUnacknowledged === 0 && !hasWaiting;
  }

  end(info: CloseInfo): void {
    clearTimeout(this.#acks);
    this.#answering.clear();
    clearInterval(this.#aging);
    this.#repeater.end();
    this.endHalf(`the session ended: ${info.reason || info.by}`);
    this.#handlers.call("close", info);
    this.#resolveClosed(info);
  }

  /** What is sent without a connection ages, or may end the session. */
  protected override get isLayered(): boolean {
    return this.carrier === undefined;
  }

  override sendMessage(message: Outgoing): SendResult {
    const { offlineMaxAgeMs } = this.#options;
    const ages = this.carrier === undefined && offlineMaxAgeMs !== undefined;
    if (!ages || message.kind !== Kind.Message) return super.sendMessage(message);
    const latest = this.nowMs + offlineMaxAgeMs;
    return super.sendMessage({ ...message, expiresAt: Math.min(message.expiresAt ?? latest, latest) });
  }

  override sendPlain(type: number, payload: Uint8Array): SendResult {
    if (this.#linger !== undefined) return this.sendDirectly({ kind: Kind.Message, type, payload });
    return this.#judged(super.sendPlain(type, payload));
  }

  override sendDirectly(message: Outgoing): SendResult {
    return this.#judged(this.#linger?.send(message) ?? super.sendDirectly(message));
  }

  /** Where the policy is to close whose queue is full, it fails. */
  #judged(result: SendResult): SendResult {
    if (result === "dropped" && this.outbound.mustClose) {
      this.#reconnection.fail(CloseCode.exhausted, new ResourceExhaustedError("the session's queue is full"));
    }
    return result;
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    if (this.inbox !== undefined && !this.#handlers.takes(frame.subject)) {
      this.inbox.take(frame);
      return;
    }
    this.handled(frame.channel, frame.seq, costOf(frame));
    this.#handlers.message(view.of(frame, this));
  }

  protected override onRequest(frame: Readonly<FrameContents>): void {
    const request = new OwnMessage(frame, this) as ClientRequest & OwnMessage;
    const { type: id, channel, seq } = frame;
    const cost = costOf(frame);
    this.#answering.take(() => {
      this.handled(channel, seq, cost);
      return this.#answer(id, request);
    });
  }

  async #answer(id: number, request: ClientRequest & OwnMessage): Promise<void> {
    const life = this.#life;
    // Whoever has lost the session asks for nothing any more: what has this number there now is something else.
    const isAsked = () => !this.#reconnection.isOver && this.#life === life;
    try {
      const answer = await this.#handlers.answer(request);
      if (isAsked()) this.respond(id, answer);
    } catch (cause) {
      const told =
        cause instanceof RequestFailure
          ? cause
          : new RequestFailure("a fault of the client", FailureCode.internal);
      if (cause !== told) this.#handlers.report(cause);
      if (isAsked()) this.fail(id, told.code, told.message, told.retryAfterMs);
    }
  }

  protected override onPublication(frame: Readonly<FrameContents>): void {
    if (frame.seq === 0) this.count(frame.payload.length);
    this.handled(frame.channel, frame.seq, costOf(frame));
    this.#topics?.take(frame); // else nobody hears of topics
  }

  protected override onOther(frame: Readonly<FrameContents>): void {
    if (frame.kind !== Kind.GoAway) {
      takeRest(this.#reconnection.dialled!.connection, frame);
      return;
    }
    const goAway = readGoAway(frame);
    this.#handlers.call("goAway", goAway);
    this.#reconnection.goAway(goAway);
  }

  protected override onOwing(): void {
    this.#acks ??= unref(
      setTimeout(() => {
        this.#acks = undefined;
        this.sendAcks(true);
      }, turnMs),
    );
  }

  protected override onUndeliverable(): void {
    if (this.#handlers.hasErrorHandler)
      this.#handlers.report(new ResourceExhaustedError("an answer found no room in the queue"));
  }

  protected override onRejected({ lane, sequence }: Confirmation, rejection: Rejection): void {
    this.#handlers.call("rejected", { lane, sequence, ...rejection });
  }

  protected override onSent(id: MessageId): void {
    this.#handlers.call("sent", id);
  }

  protected override onAcknowledged(id: MessageId, level: AcknowledgedLevel): void {
    this.#handlers.call("acknowledged", id, level);
  }

  protected override onDrain(): void {
    this.#handlers.call("drain");
  }

  /** What may be done twice may be sent later, too. */
  override ask(
    kind: number,
    subject: string,
    payload: Uint8Array,
    options: AskOptions & RetryOptions,
  ): Promise<Reply> {
    if (options.idempotent !== true) return super.ask(kind, subject, payload, options);
    const own = payload.slice();
    return this.#repeater.ask(
      (timeoutMs) => super.ask(kind, subject, own, { ...options, timeoutMs }),
      options,
    );
  }

  protected override readRequest(subject: string, options: ClientRequestOptions) {
    return readClientRequest(subject, options);
  }

  async #asked(kind: number, subject: string, payload: Uint8Array, meta?: readonly MetaEntry[]) {
    this.checkOpen();
    this.checkSize(payload);
    const reply = await this.ask(kind, subject, payload, { meta });
    if (reply.status === "success") return reply.meta;
    if (reply.status === "failure") throw new RequestFailure(reply.reason, reply.code);
    throw new TimeoutError(`the server did not answer about "${subject}" in time`);
  }

  protected override checkOpen(): void {
    if (this.#reconnection.isOver)
      throw new SessionClosedError("the session is over; nothing more can be sent");
  }
}
