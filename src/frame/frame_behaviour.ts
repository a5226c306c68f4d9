import {
  FrameMalformedError,
  FrameTooLargeError,
  type MillraceError,
  ProtocolViolationError,
  ResourceExhaustedError,
} from "../errors.js";
import { CloseCode, type CloseInfo } from "../transport/close.js";
import type { PlacedFrame, TransportBehaviour, TransportConnection } from "../transport/connection.js";
import { ignorableFlag } from "./codec.js";
import { controlOf } from "./control.js";
import { decodeFrame, decodePlaced, type FrameContents, FrameView, Kind } from "./frame.js";
import { type Codec, frameCodec, protocolOf } from "./message_codec.js";
import { carriesFrames, decodeUnit } from "./unit.js";

/** All frames are decoded into this one: nobody keeps it. */
const view = new FrameView();

/** Turns what transports bring into frames, by whichever codec a connection has agreed on, for owners of connections. */
export abstract class FrameBehaviour<Owner> implements TransportBehaviour {
  /** There only where a codec writes text: the transports refuse it otherwise. */
  readonly text: ((transport: TransportConnection, text: Uint8Array) => void) | undefined;
  /** By ALPN or subprotocol; the connections of any other are of millrace's own frames. */
  readonly #codecs: ReadonlyMap<string, Codec>;

  constructor(codecs: readonly Codec[] = []) {
    this.#codecs = codecsByProtocol(codecs);
    const takesText = codecs.some((codec) => codec.text);
    this.text = takesText ? (transport, text) => this.#onText(transport, text) : undefined;
  }

  abstract open(transport: TransportConnection): void;
  abstract drain(transport: TransportConnection): void;
  abstract close(transport: TransportConnection, info: CloseInfo): void;
  /** Whose the connection is. */
  abstract of(transport: TransportConnection): Owner;
  /** A frame has come, valid during the call only. @throws what ends the connection: see {@link refuse} */
  protected abstract take(owner: Owner, transport: TransportConnection, frame: Readonly<FrameContents>): void;
  /** Ends a connection for a fault of the peer's. */
  protected abstract refuse(
    owner: Owner,
    transport: TransportConnection,
    code: number,
    fault: MillraceError,
  ): void;

  /** What a connection agreed on, where it is not millrace's own frames. */
  codecOf({ protocol }: Pick<TransportConnection, "protocol">): Codec | undefined {
    return this.#codecs.size === 0 ? undefined : this.#codecs.get(protocol);
  }

  frame(transport: TransportConnection, frame: Uint8Array): void {
    const owner = this.of(transport);
    try {
      this.take(owner, transport, decode(transport, this.codecOf(transport), frame));
    } catch (error) {
      this.#refuse(owner, transport, error);
    }
  }

  placedFrame(transport: TransportConnection, frame: PlacedFrame): void {
    const codec = this.codecOf(transport);
    if (codec !== undefined && !carriesFrames(transport)) {
      this.frame(transport, frame.bytes());
      return;
    }
    const owner = this.of(transport);
    try {
      const decoded = decodePlaced(frame, transport.framesVerified, view);
      const isUnit = codec !== undefined && decoded.kind === Kind.Message;
      this.take(owner, transport, isUnit ? decodeUnit(codec, decoded.payload) : decoded);
    } catch (error) {
      this.#refuse(owner, transport, error);
    }
  }

  #onText(transport: TransportConnection, text: Uint8Array): void {
    if (this.codecOf(transport)?.text) this.frame(transport, text);
    else
      this.#refuse(
        this.of(transport),
        transport,
        new ProtocolViolationError("the peer sent a text message; only binary ones are frames"),
      );
  }

  /** @throws any error that is not the peer's. */
  #refuse(owner: Owner, transport: TransportConnection, error: unknown): void {
    const code = closeCodes.find(([fault]) => error instanceof fault)?.[1];
    if (code === undefined) throw error;
    this.refuse(owner, transport, code, error as MillraceError);
  }
}

/**
 * For a frame of a kind that nobody here knows, or of one that is the transport's own business.
 * @throws ProtocolViolationError where that may not be ignored.
 */
export function takeOther(transport: TransportConnection, frame: Readonly<FrameContents>): void {
  if (takeControl(transport, frame) || (frame.flags & ignorableFlag) !== 0) return;
  throw new ProtocolViolationError(
    `frames of kind ${frame.kind} are not known here, and not marked ignorable`,
  );
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
  [ResourceExhaustedError, CloseCode.exhausted],
];

function codecsByProtocol(codecs: readonly Codec[]): ReadonlyMap<string, Codec> {
  const others = codecs.filter((codec) => codec !== frameCodec);
  return new Map(
    others.flatMap((codec) =>
      ["websocket", "quic"].map((transport) => [protocolOf(codec, transport), codec] as const),
    ),
  );
}
