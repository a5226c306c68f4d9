import type { AcknowledgedLevel } from "../delivery/acknowledgement.js";
import { encodeCommit } from "../delivery/commit.js";
import type { Confirmation, Rejection } from "../delivery/confirmation.js";
import { contentsOf } from "../delivery/contents.js";
import { type Cursors, noCursors } from "../delivery/cursors.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { costOf } from "../delivery/frame_cost.js";
import { type Gap, readGap } from "../delivery/gap.js";
import { readGoAway } from "../delivery/goaway.js";
import { halfContext } from "../delivery/half_options.js";
import type { Hello } from "../delivery/hello.js";
import { MessageView, OwnMessage, textOf } from "../delivery/message.js";
import type { Carrier } from "../delivery/outgoing.js";
import { payloadOf } from "../delivery/payload.js";
import { RequestBudget } from "../delivery/pending_requests.js";
import { takeRest } from "../delivery/rest.js";
import type { MessageId } from "../delivery/send_options.js";
import { idText } from "../delivery/session_id.js";
import { SpeakingHalf } from "../delivery/speaking_half.js";
import { sessionVersion } from "../delivery/terms.js";
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
import { CloseCode, type CloseInfo, type CloseOptions, firstApplicationCode } from "../transport/close.js";
import { unref } from "../transport/timer.js";
import type { ClientBehaviour, ClientRequest } from "./behaviour.js";
import { type Dialled, dial } from "./dial.js";
import { ClientHandlers } from "./handlers.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import type { ClientSession } from "./session.js";
import {
  checkTopic,
  fromEntry,
  publishedAt,
  readSubscribe,
  readSubscription,
  type SubscribeFrom,
  type Subscription,
} from "./subscription.js";
import { TopicPositions } from "./topic_positions.js";

/** Acknowledgements that no message has carried are sent so often. */
const turnMs = 50;
/** What a hello says of topics takes so much at the most. */
const maxPlacesBytes = 16 * 1_024;
const view = new MessageView();
const nothing = new Uint8Array(0);
const ping = contentsOf(Kind.Ping, {});

/** A {@link ClientSession}. */
export class ResumableSession extends SpeakingHalf implements ClientSession {
  readonly #handlers: ClientHandlers;
  readonly #options: ReadClientOptions;
  readonly #platform: Platform;
  #welcome: Welcome | undefined = undefined;
  #dialled: Dialled | undefined = undefined;
  #state: "open" | "detached" | "closed" = "detached";
  readonly #positions = new TopicPositions();
  #life = 0;
  /** One at a time: each shows the token that the one before was given. */
  #resuming: Promise<unknown> = Promise.resolve();
  /** The application ends it, whoever ends the connection. */
  #isClosing = false;
  #acks: NodeJS.Timeout | undefined = undefined;
  #heartbeat: NodeJS.Timeout | undefined = undefined;
  #resolveClosed!: (info: CloseInfo) => void;
  readonly closed: Promise<CloseInfo> = new Promise((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(options: ReadClientOptions, behaviour: ClientBehaviour, platform: Platform) {
    super(halfContext(options, new RequestBudget(options.maxPendingRequests), platform.decompress));
    this.#options = options;
    this.#handlers = new ClientHandlers(behaviour, this);
    this.#platform = platform;
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

  get state(): "open" | "detached" | "closed" {
    return this.#state;
  }

  get transport(): string | undefined {
    return this.#dialled?.connection.transport;
  }

  get bytesQueued(): number {
    return this.outbound.bytesQueued;
  }

  /** Connects for the first time. */
  async begin(url: string): Promise<void> {
    await this.#connect(url, undefined);
  }

  resume(url: string): Promise<boolean> {
    const resumed = this.#resuming.then(() => this.#resume(url));
    this.#resuming = resumed.catch(() => {});
    return resumed;
  }

  async #resume(url: string): Promise<boolean> {
    if (this.#state === "closed") throw new SessionClosedError("the session is over; connect a new one");
    const { session, resume } = this.#welcome!;
    const places = this.#positions.places(Math.min(maxPlacesBytes, this.peerMaxBytes / 2));
    return this.#connect(url, { session, resume, cursors: this.inbound.cursors(), places });
  }

  abandon(): void {
    this.#dialled?.connection.close({ code: CloseCode.goingAway, graceful: false });
  }

  async subscribe(pattern: string, options: { readonly from?: SubscribeFrom } = {}): Promise<Subscription> {
    const from = readSubscribe(pattern, options);
    const meta = from === undefined ? undefined : [fromEntry(from)];
    if (from !== undefined) this.#positions.begin(pattern, from);
    const subscription = readSubscription(await this.#asked(Kind.Subscribe, pattern, nothing, meta));
    const { cursor } = subscription;
    if (from === undefined && cursor !== undefined) this.#positions.began(pattern, cursor);
    return subscription;
  }

  async unsubscribe(pattern: string): Promise<void> {
    checkTopic(pattern, "a pattern");
    this.#positions.forget(pattern);
    await this.#asked(Kind.Unsubscribe, pattern, nothing);
  }

  async publish(topic: string, message: Uint8Array | string): Promise<void> {
    checkTopic(topic, "a topic");
    await this.#asked(Kind.Publish, topic, payloadOf(message, "a message"));
  }

  async close(options: CloseOptions = {}): Promise<CloseInfo> {
    const connection = this.#dialled?.connection;
    if (this.#state === "closed") return this.closed;
    this.#isClosing = true;
    if (connection === undefined) {
      this.#over({ by: "local", code: options.code ?? CloseCode.normal, reason: options.reason ?? "" });
    } else {
      this.sendAcks(true);
      connection.close(options);
    }
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override onMessage(frame: Readonly<FrameContents>): void {
    this.handled(frame.channel, frame.seq, costOf(frame));
    this.#handlers.message(view.of(frame, this));
  }

  protected override onRequest(frame: Readonly<FrameContents>): void {
    this.handled(frame.channel, frame.seq, costOf(frame));
    const request = new OwnMessage(frame, this) as ClientRequest & OwnMessage;
    const { type: id } = frame;
    void this.#handlers.answer(request).then(
      (answer) => this.#state !== "closed" && this.respond(id, answer),
      (cause: unknown) => {
        const told =
          cause instanceof RequestFailure
            ? cause
            : new RequestFailure("a fault of the client", FailureCode.internal);
        if (cause !== told) this.#handlers.report(cause);
        if (this.#state !== "closed") this.fail(id, told.code, told.message);
      },
    );
  }

  protected override onOther(frame: Readonly<FrameContents>): void {
    if (frame.kind === Kind.GoAway) this.#handlers.call("goAway", readGoAway(frame));
    else takeRest(this.#dialled!.connection, frame);
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

  async #asked(kind: number, subject: string, payload: Uint8Array, meta?: readonly MetaEntry[]) {
    this.checkOpen();
    this.checkSize(payload);
    const reply = await this.ask(kind, subject, payload, { meta });
    if (reply.status === "success") return reply.meta;
    if (reply.status === "failure") throw new RequestFailure(reply.reason, reply.code);
    throw new TimeoutError(`the server did not answer about "${subject}" in time`);
  }

  protected override onPublication(frame: Readonly<FrameContents>): void {
    this.handled(frame.channel, frame.seq, costOf(frame));
    if (frame.kind === Kind.Gap) {
      this.#onGap(readGap(frame));
      return;
    }
    const { subject: topic = "", type, payload, meta } = frame;
    const cursor = publishedAt(meta);
    const last = this.#positions.get(topic);
    const step = this.#positions.advance(topic, cursor);
    if (step === "again") return;
    if (step === "gap") this.#handlers.call("gap", { topic, after: last });
    this.#handlers.call("publication", { topic, type, payload, cursor, text: () => textOf(payload) });
  }

  /** The server could not send all that it published. */
  #onGap(gap: Gap): void {
    const { topic = "" } = gap;
    const after = this.#positions.get(topic);
    this.#positions.skip(gap);
    this.#handlers.call("gap", { topic, after });
  }

  #hello(resumption: Hello["resumption"]): Hello {
    const { token, clientId, meta, heartbeatMs, windowBytes, maxMessageBytes } = this.#options;
    return {
      ...{ version: sessionVersion, clientId, token: payloadOf(token, "token"), resumption },
      ...{ meta, heartbeatMs, windowBytes, maxMessageBytes },
    };
  }

  async #connect(url: string, resumption: Hello["resumption"]): Promise<boolean> {
    const wasDetached = this.carrier === undefined;
    const dialled = await dial(url, this.#platform, this.#options, this.#hello(resumption), {
      take: (frame) => this.take(frame),
      drain: () => this.drained(this.nowMs),
      lose: (of, info) => this.#lose(of, info),
    });
    const { connection, welcome, codec } = dialled;
    if (this.#state === "closed" || this.#isClosing) {
      connection.close({ graceful: false });
      throw new SessionClosedError("the session was closed while it connected");
    }
    const resumed = welcome.resumed && resumption !== undefined;
    const isFirst = this.#welcome === undefined;
    const before = this.#dialled;
    this.#dialled = dialled;
    before?.connection.close({ code: CloseCode.superseded, graceful: false });
    if (!resumed && this.#welcome !== undefined) this.#restart();
    this.#welcome = welcome;
    this.peerMaxBytes = welcome.maxMessageBytes;
    this.#state = "open";
    const carrier = codec === undefined ? connection : new CodecCarrier(connection, codec);
    this.carrier = carrier;
    const cursors: Cursors = resumed ? welcome.cursors : noCursors;
    try {
      this.#commit(carrier, dialled, cursors, wasDetached);
    } catch (error) {
      if (!isFirst) dialled.start(); // so that the end of the connection is the session's to know
      connection.close({ code: CloseCode.protocolViolation, graceful: false });
      throw error;
    }
    dialled.start();
    this.sendAcks(true); // what the server was told on the connection before, it may never hear
    this.pump(this.nowMs);
    this.#beat(welcome.heartbeatMs);
    return resumed;
  }

  /** @throws ConnectionClosedError where it has ended since the welcome, ProtocolViolationError */
  #commit(
    carrier: Carrier,
    { connection, welcome, codec }: Dialled,
    cursors: Cursors,
    wasDetached: boolean,
  ): void {
    sendFrame(connection, codec, encodeCommit());
    // Who was connected meanwhile may have been told more there than the welcome says.
    const agrees = !wasDetached || this.outbound.canResume(cursors);
    if (!agrees || !this.outbound.attach(carrier, welcome.windowBytes, cursors, this.nowMs)) {
      throw new ProtocolViolationError("the server and this client do not agree on what was sent");
    }
  }

  /** The server has lost the session. */
  #restart(): void {
    this.#life += 1;
    this.restartHalf("the server has lost the session");
  }

  #beat(heartbeatMs: number | undefined): void {
    clearInterval(this.#heartbeat);
    if (heartbeatMs === undefined) return;
    const beat = () => {
      const dialled = this.#dialled;
      if (dialled?.connection.state === "open") sendFrame(dialled.connection, dialled.codec, ping);
    };
    this.#heartbeat = unref(setInterval(beat, heartbeatMs));
  }

  #lose(dialled: Dialled, info: CloseInfo): void {
    if (dialled !== this.#dialled) return;
    this.#dialled = undefined;
    this.carrier = undefined;
    clearInterval(this.#heartbeat);
    const { by, code } = info;
    const isEnd =
      this.#isClosing ||
      (by === "local" && code !== CloseCode.goingAway) ||
      (by === "peer" &&
        (code === CloseCode.normal ||
          code === CloseCode.superseded ||
          code === CloseCode.unauthenticated ||
          code >= firstApplicationCode));
    if (isEnd) {
      this.#over(info);
      return;
    }
    this.#state = "detached";
    this.outbound.detach();
    this.#handlers.call("detached", info);
  }

  #over(info: CloseInfo): void {
    this.#state = "closed";
    clearTimeout(this.#acks);
    clearInterval(this.#heartbeat);
    this.endHalf(`the session ended: ${info.reason || info.by}`);
    this.#handlers.call("close", info);
    this.#resolveClosed(info);
  }

  protected override checkOpen(): void {
    if (this.#state === "closed")
      throw new SessionClosedError("the session is over; nothing more can be sent");
  }
}
