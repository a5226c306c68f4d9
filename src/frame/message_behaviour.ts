import { FrameMalformedError, type MillraceError, ProtocolViolationError } from "../errors.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import type { TransportBehaviour, TransportConnection } from "../transport/connection.js";
import { ignorableFlag } from "./codec.js";
import type { Behaviour, Connection } from "./connection.js";
import { decodeFrame, FrameView, Kind } from "./frame.js";
import { callHandler } from "./handler_call.js";
import { MessageConnection, type MessageContext } from "./message_connection.js";
import type { ResolvedMessageOptions } from "./options.js";

/** The class of async functions, which has no global name. */
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** All frames are decoded into this one: nobody keeps it. */
const view = new FrameView();

/** Turns a transport's calls into an application's: frames into messages, connections into {@link Connection}s. */
export class MessageBehaviour<Data> implements TransportBehaviour {
  /** Open connections, the oldest first. */
  readonly connections: Set<Connection<Data>> = new Set();
  readonly #context: MessageContext<Data>;

  constructor(behaviour: Behaviour<Data>, limits: ResolvedMessageOptions) {
    const { maxMessageBytes, highWaterMarkBytes } = limits;
    const handlerIsAsync = behaviour.message instanceof AsyncFunction;
    this.#context = { behaviour, maxMessageBytes, highWaterMarkBytes, handlerIsAsync };
  }

  open(transport: TransportConnection): void {
    this.of(transport);
  }

  frame(transport: TransportConnection, frame: Uint8Array): void {
    const connection = this.of(transport);
    try {
      decodeFrame(frame, transport.framesVerified, view);
    } catch (error) {
      if (!(error instanceof FrameMalformedError)) throw error;
      connection.refuse(CloseCode.frameMalformed, error);
      return;
    }
    if (view.kind === Kind.Message) {
      connection.deliver(view.payload);
    } else if ((view.flags & ignorableFlag) === 0) {
      connection.refuse(CloseCode.protocolViolation, unknownKind(view.kind));
    }
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
  of(transport: TransportConnection): MessageConnection<Data> {
    const owner = transport.owner as MessageConnection<Data> | undefined;
    if (owner !== undefined) return owner;
    const connection = new MessageConnection<Data>(transport, this.#context);
    transport.owner = connection;
    this.connections.add(connection);
    callHandler(this.#context.behaviour, "open", connection);
    return connection;
  }
}

function unknownKind(kind: number): MillraceError {
  return new ProtocolViolationError(`frames of kind ${kind} are not known here, and not marked ignorable`);
}
