import type { TestContext } from "node:test";
import { CloseCode, type CloseInfo, type FrameContents, type TransportConnection } from "millrace";
import type { Server } from "millrace/server";
import { AckLevel } from "#internal/delivery/ack.js";
import type { Hello } from "#internal/delivery/hello.js";
import { sessionVersion } from "#internal/delivery/terms.js";
import { streamFraming } from "#internal/frame/control.js";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import { FrameBehaviour, takeOther } from "#internal/frame/frame_behaviour.js";
import { frameCodec } from "#internal/frame/message_codec.js";
import { transportOptions } from "#internal/frame/transport_options.js";
import { transportOf } from "#internal/frame/transports.js";
import { parseTransportUrl } from "#internal/transport/address.js";
import { deferred } from "../../kit/deferred.js";
import { Inbox } from "../../kit/inbox.js";
import { authority } from "../../transport/suite/kit.js";
import type { SessionsUnderTest } from "./kit.js";

const controls: ReadonlySet<number> = new Set([Kind.Ping, Kind.Pong, Kind.Close]);
const nothing = new Uint8Array(0);

/** A hello that is right, of a client that says nothing of itself. */
export const hello: Hello = {
  version: sessionVersion,
  clientId: undefined,
  token: new Uint8Array(0),
  resumption: undefined,
  meta: [],
  heartbeatMs: undefined,
  windowBytes: 1_048_576,
  maxMessageBytes: 1_048_576,
};

/** Says whatever a test wants to a server of sessions, on a connection of its own. */
export class RawClient extends FrameBehaviour<undefined> {
  /** Answers no pings. */
  isMute = false;
  readonly #frames = new Inbox<FrameContents>("a frame of the server");
  readonly #credit = new Inbox<FrameContents>("an acknowledgement of what was handled");
  readonly #closed = deferred<CloseInfo>();
  #connection: TransportConnection | undefined = undefined;

  /** Connects, and has said nothing yet. */
  static async connect<Data>(
    t: TestContext,
    under: SessionsUnderTest,
    server: Server<Data>,
  ): Promise<RawClient> {
    const client = new RawClient([frameCodec]);
    const url = parseTransportUrl(server.urls[0]!);
    const transport = await transportOf(url, under.transports);
    const limits = {
      maxMessageBytes: 1_048_576,
      highWaterMarkBytes: 16_777_216,
      idleTimeoutMs: 60_000,
      handshakeTimeoutMs: 60_000,
    };
    const options = transportOptions(transport, limits, streamFraming);
    const tls = { ca: authority.certificate };
    client.#connection = await transport.connect({ ...options, url, tls, signal: undefined }, client);
    t.after(() => client.#connection!.close({ graceful: false }));
    return client;
  }

  /** How the server ended it. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  /** Cuts the connection off, as a network would. */
  drop(): void {
    this.#connection!.close({ code: CloseCode.goingAway, graceful: false });
  }

  /** Sends a frame; what is not named is 0, or nothing. */
  say(frame: Partial<FrameContents> & { readonly kind: number }): void {
    const contents = { flags: 0, channel: 0, type: 0, seq: 0, ref: 0, payload: nothing, ...frame };
    this.#connection!.send(encodeFrame(contents, contents.payload, contents));
  }

  /** Sends any bytes, where a frame should be. */
  sayBytes(bytes: Uint8Array): void {
    this.#connection!.send(bytes);
  }

  /** What comes next. What grants credit has its own way, since a timer of the server's sends it: see {@link credit}. */
  next(): Promise<FrameContents> {
    return this.#frames.take();
  }

  /** The next acknowledgement of what the server has handled, which comes when it may. */
  credit(): Promise<FrameContents> {
    return this.#credit.take();
  }

  /** Begins a session, as a good client would. */
  async begin(frame: Partial<FrameContents> = {}): Promise<FrameContents> {
    this.say({ kind: Kind.Hello, type: 1, ...frame });
    const welcome = await this.next();
    this.say({ kind: Kind.Commit });
    return welcome;
  }

  override open(): void {}
  override drain(): void {}
  override of(): undefined {
    return undefined;
  }
  override close(_connection: TransportConnection, info: CloseInfo): void {
    this.#closed.resolve(info);
  }
  protected override take(
    _owner: undefined,
    connection: TransportConnection,
    frame: Readonly<FrameContents>,
  ): void {
    if (controls.has(frame.kind)) {
      if (!this.isMute) takeOther(connection, frame); // on TCP they are among the frames
      return;
    }
    const { kind, flags, channel, type, seq, ref, payload, subject, meta = [] } = frame;
    const own = meta.map(({ key, value }) => ({ key, value: new Uint8Array(value) }));
    const isCredit = kind === Kind.Ack && type === AckLevel.received;
    (isCredit ? this.#credit : this.#frames).put({
      kind,
      flags,
      channel,
      type,
      seq,
      ref,
      payload: new Uint8Array(payload),
      subject,
      meta: own,
    });
  }
  protected override refuse(_owner: undefined, connection: TransportConnection): void {
    connection.close({ graceful: false });
  }
}
