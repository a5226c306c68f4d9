import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import { encodeCommit } from "../delivery/commit.js";
import { agreedCompression, type CompressionFigures } from "../delivery/compression.js";
import type { Confirmation, Rejection } from "../delivery/confirmation.js";
import { type Cursors, noCursors } from "../delivery/cursors.js";
import { FailureCode } from "../delivery/failure.js";
import { readGoAway } from "../delivery/goaway.js";
import type { Hello } from "../delivery/hello.js";
import { MessageView } from "../delivery/message.js";
import { takeRest } from "../delivery/rest.js";
import type { MessageId } from "../delivery/send_options.js";
import { idText } from "../delivery/session_id.js";
import type { Welcome } from "../delivery/welcome.js";
import { ProtocolViolationError, ResourceExhaustedError, SessionClosedError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../transport/close.js";
import { readWait, type WaitOptions } from "../transport/wait.js";
import type { Answering } from "./answering.js";
import type { ClientBehaviour } from "./behaviour.js";
import type { Carried, ClientState, Flight, LostSession } from "./carried.js";
import type { Choice } from "./choice.js";
import { ClientHalf } from "./client_half.js";
import type { Dialled } from "./dial.js";
import type { Extras } from "./extras.js";
import { greetingOf } from "./greeting.js";
import { ClientHandlers, nobodyAnswers } from "./handlers.js";
import type { Totals } from "./journal.js";
import type { MessageInbox } from "./message_inbox.js";
import type { ReadClientOptions } from "./options.js";
import { loadWithin, type Part } from "./part.js";
import type { Platform } from "./platform.js";
import { Reconnection } from "./reconnection.js";
import type { ClientSession } from "./session.js";
import type { SessionStatistics } from "./session_statistics.js";
import type { SubscribeFrom, Subscription } from "./subscription.js";
import type { Topics } from "./topics.js";

const maxPlacesBytes = 16 * 1_024;
const view = new MessageView();

/** A {@link ClientSession}: what is said in it. Its {@link Reconnection} keeps it connected. */
export class ResumableSession extends ClientHalf implements ClientSession, Carried {
  /** Takes the messages that no handler takes, and says itself when they are handled: see `messagesOf`. */
  inbox: MessageInbox | undefined = undefined;
  readonly #handlers: ClientHandlers;
  readonly #options: ReadClientOptions;
  readonly #reconnection: Reconnection;
  readonly #extras: Part<Extras>;
  #topics: Topics | undefined = undefined;
  #welcome: Welcome | undefined = undefined;
  /** Missing where there is no handler of requests, and what answers them was not loaded. */
  readonly #answering: Answering | undefined;
  readonly #choice: Choice | undefined;
  /** What is said on this connection, and not in the session. */
  #flight: Flight | undefined = undefined;
  #life = 0;
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
    super(options, platform.clock);
    this.#options = options;
    this.#choice = platform.choice;
    this.#handlers = new ClientHandlers(behaviour, this);
    this.#reconnection = new Reconnection(urls, options, platform, this, this.#handlers);
    this.#extras = platform.extras;
    const { here: extras } = platform.extras;
    if (extras !== undefined) this.#addTopics(extras);
    this.#answering = extras && new extras.Answering(this, this.#handlers);
    if (options.lingerMs > 0) this.linger = new extras!.Linger(options, platform.clock, this);
  }

  get id(): string {
    return this.#welcome === undefined ? "" : idText(this.#welcome.session);
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
    return this.#reconnection.pulse.statistics(this);
  }

  /** Whether the behaviour has a handler for messages of all subjects. */
  get takesMessages(): boolean {
    return this.#handlers.takesMessages;
  }

  get compression(): CompressionFigures | undefined {
    return this.compressionFigures && { ...this.compressionFigures };
  }

  /** Connects for the first time. @param begun by a connection that is there soon, or has failed. */
  async begin(begun?: Promise<Dialled>): Promise<void> {
    this.#handlers.call("connecting");
    try {
      await this.#reconnection.begin(begun);
    } catch (cause) {
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
    return this.#reconnection.pulse.ping({ signal, timeoutMs });
  }

  abandon(): void {
    this.#reconnection.dialled?.connection.close({ code: CloseCode.goingAway, graceful: false });
  }

  subscribe(pattern: string, options: { readonly from?: SubscribeFrom } = {}): Promise<Subscription> {
    return this.#withTopics((topics) => topics.subscribe(pattern, options));
  }

  unsubscribe(pattern: string): Promise<void> {
    return this.#withTopics((topics) => topics.unsubscribe(pattern));
  }

  publish(topic: string, message: Uint8Array | string): Promise<void> {
    // What is loaded first is waited for, and the caller's bytes are the caller's again.
    const own = this.#topics || !(message instanceof Uint8Array) ? message : new Uint8Array(message);
    return this.#withTopics((topics) => topics.publish(topic, own));
  }

  /** A page loads them here, unless its session has a handler for them. */
  async #withTopics<T>(call: (topics: Topics) => Promise<T>): Promise<T> {
    return call(
      this.#topics ?? this.#addTopics(await loadWithin(this.#extras, this.#options.connectTimeoutMs)),
    );
  }

  #addTopics({ Topics }: Extras): Topics {
    this.#topics ??= new Topics(
      (kind, subject, payload, options) =>
        this.ask(kind, subject, this.checked(payload, "a message"), options),
      this.repeater,
      this.#handlers,
    );
    return this.#topics;
  }

  async close(options: CloseOptions = {}): Promise<CloseInfo> {
    this.sendAcks(true);
    this.linger?.flush();
    this.#flight?.letGo(); // what waits would be lost
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
    const places = this.#topics?.positions.places(placesBytes(this));
    return { session, resume, cursors: this.inbound.cursors(), places };
  }

  carryOn(dialled: Dialled): LostSession | undefined {
    const { connection, welcome, codec } = dialled;
    const compression = agreedCompression(this.#options.compression, welcome.compression);
    const wasPaused = this.carrier === undefined;
    this.stopAging();
    this.#flight?.land();
    const isLost = this.#welcome !== undefined && !welcome.resumed;
    const lost = isLost ? this.#restart() : undefined;
    this.#welcome = welcome;
    this.#flight = dialled.flight;
    this.#flight?.board(welcome.answersEarly === true);
    this.peerMaxBytes = welcome.maxMessageBytes;
    const carrier = codec === undefined ? connection : new this.#extras.here!.CodecCarrier(connection, codec);
    this.carrier = compression?.carry(carrier, this.compressionFigures) ?? carrier;
    this.keepFigures(this.carrier.compressing?.figures);
    sendFrame(connection, codec, encodeCommit());
    this.#attach(welcome, welcome.resumed ? welcome.cursors : noCursors, wasPaused);
    this.sendAcks(true); // what the server was told on the connection before, it may never hear
    this.pump(this.nowMs);
    if (isLost) this.#topics?.renew(placesBytes(this));
    return lost;
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
    this.#answering?.clear();
    const lost: LostSession = { topic: undefined, ...this.restartHalf("the server has lost the session") };
    this.inbox?.miss(lost);
    return lost;
  }

  pause(): void {
    this.carrier = undefined;
    this.outbound.detach();
    this.#flight?.land();
    this.#flight = undefined;
    this.age();
  }

  drain(): void {
    this.drained(this.nowMs);
  }

  get isQuiet(): boolean {
    const isAnswered = this.requestsPending === 0 && this.#flight?.isAnswered !== false;
    return isAnswered && this.outbound.bytesUnacknowledged === 0 && !this.outbound.hasWaiting;
  }

  end(info: CloseInfo): void {
    this.#answering?.clear();
    this.endHalf(`the session ended: ${info.reason || info.by}`);
    this.#handlers.call("close", info);
    this.#resolveClosed(info);
  }

  protected override onFull(): void {
    this.#reconnection.fail(CloseCode.exhausted, new ResourceExhaustedError("the session's queue is full"));
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    if (this.inbox !== undefined && !this.#handlers.takes(frame.subject)) {
      this.inbox.take(frame);
      return;
    }
    this.pass(frame);
    this.#handlers.message(view.of(frame, this));
  }

  protected override onRequest(frame: Readonly<FrameContents>): void {
    if (this.#answering !== undefined) {
      this.#answering.take(frame);
      return;
    }
    this.pass(frame);
    this.fail(frame.type, FailureCode.unknownSubject, nobodyAnswers);
  }

  protected override onPublication(frame: Readonly<FrameContents>): void {
    if (frame.seq === 0) this.count(frame.payload.length);
    this.pass(frame);
    this.#topics?.take(frame); // else nobody hears of topics
  }

  protected override onOther(frame: Readonly<FrameContents>): void {
    if (frame.kind !== Kind.GoAway) {
      takeRest(this.#reconnection.dialled!.connection, frame);
      return;
    }
    const goAway = readGoAway(frame);
    this.#handlers.call("goAway", goAway);
    void this.#reconnection.goAway(goAway);
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

  protected override checkOpen(): void {
    if (this.#reconnection.isOver)
      throw new SessionClosedError("the session is over; nothing more can be sent");
  }
}

/** What a frame says of the topics that a client has heard takes so much at the most. */
function placesBytes({ peerMaxBytes }: ResumableSession): number {
  return Math.min(maxPlacesBytes, peerMaxBytes / 2);
}
