import type { MillraceError } from "../errors.js";
import { isAsync } from "../transport/asynchronous.js";
import type { CloseInfo } from "../transport/close.js";
import type { TransportConnection } from "../transport/connection.js";
import { decompressPayload } from "./compression.js";
import type { Behaviour, Connection } from "./connection.js";
import { type FrameContents, Kind } from "./frame.js";
import { FrameBehaviour, takeOther } from "./frame_behaviour.js";
import { callHandler } from "./handler_call.js";
import { MessageConnection, type MessageContext } from "./message_connection.js";
import { isPlain, openMessages } from "./opened_payload.js";
import type { ResolvedMessageOptions } from "./options.js";

/** Turns a transport's calls into an application's: frames into messages, connections into {@link Connection}s. */
export class MessageBehaviour<Data> extends FrameBehaviour<MessageConnection<Data>> {
  /** Open connections, the oldest first. */
  readonly connections: Set<Connection<Data>> = new Set();
  readonly #context: MessageContext<Data>;

  constructor(behaviour: Behaviour<Data>, limits: ResolvedMessageOptions) {
    super(limits.codecs);
    const { maxMessageBytes, highWaterMarkBytes } = limits;
    const handlerIsAsync = isAsync(behaviour.message);
    const codecOf = this.codecOf.bind(this);
    this.#context = { behaviour, codecOf, maxMessageBytes, highWaterMarkBytes, handlerIsAsync };
  }

  open(transport: TransportConnection): void {
    this.of(transport);
  }

  protected override take(
    connection: MessageConnection<Data>,
    transport: TransportConnection,
    frame: Readonly<FrameContents>,
  ): void {
    const { kind, flags } = frame;
    if (kind !== Kind.Message) {
      takeOther(transport, frame);
    } else if (isPlain(flags)) {
      connection.deliver(frame.payload);
    } else {
      const { maxMessageBytes } = this.#context;
      const messages = openMessages(frame, maxMessageBytes, decompressPayload);
      for (const { payload } of messages) connection.deliver(payload);
    }
  }

  protected override refuse(
    connection: MessageConnection<Data>,
    _transport: TransportConnection,
    code: number,
    fault: MillraceError,
  ): void {
    connection.refuse(code, fault);
  }

  drain(transport: TransportConnection): void {
    callHandler(this.#context.behaviour, "drain", this.of(transport));
  }

  close(transport: TransportConnection, info: CloseInfo): void {
    const connection = this.of(transport);
    this.connections.delete(connection);
    callHandler(this.#context.behaviour, "close", connection, connection.end(info));
  }

  /**
   * The connection on a transport's. One that this side opened may have frames before the promise of it has
   * been heard, so whoever asks first makes it.
   */
  override of(transport: TransportConnection): MessageConnection<Data> {
    const owner = transport.owner as MessageConnection<Data> | undefined;
    if (owner !== undefined) return owner;
    const connection = new MessageConnection<Data>(transport, this.#context);
    transport.owner = connection;
    this.connections.add(connection);
    callHandler(this.#context.behaviour, "open", connection);
    return connection;
  }
}
