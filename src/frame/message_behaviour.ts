import {
  FrameMalformedError,
  FrameTooLargeError,
  type MillraceError,
  ProtocolViolationError,
} from "../errors.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import type { PlacedFrame, TransportBehaviour, TransportConnection } from "../transport/connection.js";
import { ignorableFlag } from "./codec.js";
import type { Behaviour, Connection } from "./connection.js";
import { controlOf } from "./control.js";
import { decodeFrame, decodePlaced, type FrameContents, FrameView, Kind } from "./frame.js";
import { callHandler } from "./handler_call.js";
import { type Codec, frameCodec, protocolOf } from "./message_codec.js";
import { MessageConnection, type MessageContext } from "./message_connection.js";
import { isPlain, openPayload } from "./opened_payload.js";
import type { ResolvedMessageOptions } from "./options.js";
import { carriesFrames, decodeUnit } from "./unit.js";

/** The class of async functions, which has no global name. */
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** All frames are decoded into this one: nobody keeps it. */
const view = new FrameView();

/** Turns a transport's calls into an application's: frames into messages, connections into {@link Connection}s. */
export class MessageBehaviour<Data> implements TransportBehaviour {
  /** Open connections, the oldest first. */
  readonly connections: Set<Connection<Data>> = new Set();
  /** There only where a codec writes text: the transports refuse it otherwise. */
  readonly text: ((transport: TransportConnection, text: Uint8Array) => void) | undefined;
  readonly #context: MessageContext<Data>;

  constructor(behaviour: Behaviour<Data>, limits: ResolvedMessageOptions) {
    const { maxMessageBytes, highWaterMarkBytes } = limits;
    const handlerIsAsync = behaviour.message instanceof AsyncFunction;
    const codecs = codecsByProtocol(limits.codecs);
    this.#context = { behaviour, codecs, maxMessageBytes, highWaterMarkBytes, handlerIsAsync };
    const takesText = [...codecs.values()].some((codec) => codec.text);
    this.text = takesText ? (transport, text) => this.#onText(transport, text) : undefined;
  }

  open(transport: TransportConnection): void {
    this.of(transport);
  }

  frame(transport: TransportConnection, frame: Uint8Array): void {
    const connection = this.of(transport);
    try {
      this.#take(connection, transport, decode(transport, connection.otherCodec, frame));
    } catch (error) {
      refuse(connection, error);
    }
  }

  placedFrame(transport: TransportConnection, frame: PlacedFrame): void {
    const connection = this.of(transport);
    const codec = connection.otherCodec;
    try {
      const decoded = decodePlaced(frame, transport.framesVerified, view);
      this.#take(connection, transport, codec === undefined ? decoded : decodeUnit(codec, decoded.payload));
    } catch (error) {
      refuse(connection, error);
    }
  }

  #onText(transport: TransportConnection, text: Uint8Array): void {
    const connection = this.of(transport);
    if (connection.otherCodec?.text) this.frame(transport, text);
    else
      refuse(
        connection,
        new ProtocolViolationError("the peer sent a text message; only binary ones are frames"),
      );
  }

  /** @throws what {@link refuse} has a close code for. */
  #take(
    connection: MessageConnection<Data>,
    transport: TransportConnection,
    frame: Readonly<FrameContents>,
  ): void {
    const { kind, flags } = frame;
    if (kind === Kind.Message && isPlain(flags)) {
      connection.deliver(frame.payload);
    } else if (kind === Kind.Message) {
      const messages = openPayload(frame.payload, flags, this.#context.maxMessageBytes);
      for (const message of messages) connection.deliver(message);
    } else if (!takeControl(transport, frame) && (flags & ignorableFlag) === 0) {
      throw unknownKind(kind);
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

/** Frames are decoded into the shared view. @throws FrameMalformedError */
function decode(
  transport: TransportConnection,
  codec: Codec | undefined,
  bytes: Uint8Array,
): Readonly<FrameContents> {
  if (codec === undefined) return decodeFrame(bytes, transport.framesVerified, view);
  if (!carriesFrames(transport)) return decodeUnit(codec, bytes);
  const frame = decodeFrame(bytes, transport.framesVerified, view);
  return frame.kind === Kind.Message ? decodeUnit(codec, frame.payload) : frame;
}

/** False where it is none, or none that this transport takes so. */
function takeControl(transport: TransportConnection, frame: Readonly<FrameContents>): boolean {
  const control = transport.control === undefined ? undefined : controlOf(frame);
  if (control === undefined) return false;
  transport.control!(control);
  return true;
}

const closeCodes: readonly (readonly [new (...args: never[]) => MillraceError, number])[] = [
  [FrameMalformedError, CloseCode.frameMalformed],
  [FrameTooLargeError, CloseCode.frameTooLarge],
  [ProtocolViolationError, CloseCode.protocolViolation],
];

/** Closes a connection whose peer sent what is none. @throws any error that is not the peer's. */
function refuse<Data>(connection: MessageConnection<Data>, error: unknown): void {
  const code = closeCodes.find(([fault]) => error instanceof fault)?.[1];
  if (code === undefined) throw error;
  connection.refuse(code, error as MillraceError);
}

function codecsByProtocol(codecs: readonly Codec[] = []): ReadonlyMap<string, Codec> {
  const others = codecs.filter((codec) => codec !== frameCodec);
  return new Map(
    others.flatMap((codec) =>
      ["websocket", "quic"].map((transport) => [protocolOf(codec, transport), codec] as const),
    ),
  );
}

function unknownKind(kind: number): MillraceError {
  return new ProtocolViolationError(`frames of kind ${kind} are not known here, and not marked ignorable`);
}
