import { ConnectionClosedError, FrameTooLargeError, InternalError } from "../../errors.js";
import { controlOf } from "../../frame/control.js";
import { decodeFrame, FrameView } from "../../frame/frame.js";
import type { Complete } from "../../options/complete.js";
import { CloseCode, type CloseInfo, type CloseOptions } from "../../transport/close.js";
import type { TransportConnection } from "../../transport/connection.js";
import { encodeClosed, readClose } from "./relay_close.js";
import { RelayOp } from "./relay_command.js";
import { encodeOpening } from "./relay_opening.js";
import type { RelayPipe, RelayUnit } from "./relay_pipe.js";
import { encodeStatus, type RelayStatus } from "./relay_status.js";

/** What a server's relays have in common. */
export interface RelayLimits {
  /** Of the transports here. */
  readonly highWaterMarkBytes: number;
  /** How much a client of good faith may have on its way. */
  readonly windowBytes: number;
  /** The longest unit of any codec. */
  readonly maxUnitBytes: number;
}

/** What an edge asks of those that keep it. */
export interface RelayKeeper {
  readonly limits: RelayLimits;
  /** Something of it may have to be told in the next turn. */
  watch(relay: Relay): void;
  /** It has said its last. */
  forget(relay: Relay): void;
}

/** Who waited for the session's owner to answer. */
interface Applicant {
  end(): void;
}

interface Held {
  readonly op: number;
  readonly lane: number;
  readonly bytes: Uint8Array;
}

const view = new FrameView();
/** How much more than what it is to pause at is taken of a client whose transport cannot pause. */
const maxWindows = 4;

/**
 * The edge of a relay: the connection of a client whose session another environment owns. Whole units go through it as
 * they are, both ways; what the transport does by itself, it does here.
 */
export class Relay {
  readonly pipe: RelayPipe;
  readonly transport: TransportConnection;
  readonly #keeper: RelayKeeper;
  /** Until the owner has answered. */
  #applicant: Applicant | undefined;
  /** What the owner sent that the transport does not take yet. */
  readonly #held: Held[] = [];
  #heldBytes = 0;
  /** Of all that the owner sent: what came, what the transport has sent of it, and what the owner was told of that. */
  #receivedBytes = 0;
  #takenBytes = 0;
  #toldBytes = 0;
  #isPausing = false;
  #closing: { readonly options: Complete<CloseOptions>; readonly timer: NodeJS.Timeout } | undefined =
    undefined;
  #isClosed = false;
  /** The owner knows nothing of it any more. */
  #isAlone = false;

  /** @param pipe whose `onRoom` leads to {@link roomMade}. @param applicant ended when the owner has answered, or it is over. */
  constructor(keeper: RelayKeeper, transport: TransportConnection, applicant: Applicant, pipe: RelayPipe) {
    this.#keeper = keeper;
    this.transport = transport;
    this.#applicant = applicant;
    this.pipe = pipe;
  }

  /** Tells the owner of the connection, and what the client said first. */
  begin(hello: Uint8Array): void {
    this.pipe.send(RelayOp.open, 0, encodeOpening(this.transport));
    this.tell();
    this.frame(hello);
  }

  /** The client has sent a unit. */
  frame(bytes: Uint8Array): void {
    if (this.#isAlone || this.#isClosed) return;
    this.pipe.send(RelayOp.frame, 0, bytes);
    if (this.pipe.bytesWaiting >= this.#patienceBytes) this.#pause();
  }

  /** The transport takes more. */
  drain(): void {
    this.#deliverHeld();
    this.look();
  }

  /** The client's connection has ended: the owner learns it behind what came before. */
  lose(info: CloseInfo): void {
    this.#isClosed = true;
    this.#accepted();
    this.#dropHeld();
    clearTimeout(this.#closing?.timer);
    if (this.#isAlone) return;
    if (!this.pipe.hasBegun) this.pipe.clear();
    else this.pipe.send(RelayOp.closed, 0, encodeClosed(info));
    this.#forgetIfDone();
  }

  /** Takes what the owner said. @throws where it is damaged: see {@link fail} */
  take({ op, lane, bytes }: RelayUnit): void {
    this.#accepted();
    if (this.#isClosed) {
      if (op === RelayOp.close) this.fail(CloseCode.normal, ""); // there is nobody any more to tell of the end
      return;
    }
    if (op === RelayOp.frame || op === RelayOp.text) this.#takeUnit(op, lane, bytes);
    else if (op === RelayOp.datagram) this.#sendDatagram(bytes);
    else if (op === RelayOp.control) this.#control(bytes);
    else if (op === RelayOp.close) this.#close(readClose(bytes));
    else throw new InternalError(`an owner said ${op}, which it never does`);
  }

  takeStatus({ isPaused }: RelayStatus): void {
    this.#accepted();
    this.pipe.hold(isPaused);
    this.tell();
  }

  /** The owner's end is gone, or cannot be understood: so this one is over. */
  fail(code: number, reason: string): void {
    if (this.#isAlone) return;
    this.#isAlone = true;
    this.pipe.clear();
    this.#keeper.forget(this);
    this.#accepted();
    if (!this.#isClosed) this.transport.close({ code, reason, graceful: false });
  }

  /** Something that waited has gone to the owner. */
  roomMade(): void {
    if (this.#isPausing && this.pipe.bytesWaiting < this.#patienceBytes / 2) {
      this.#isPausing = false;
      if (!this.#isClosed) this.transport.resume();
    }
    this.#forgetIfDone();
  }

  /**
   * Looks at what the transport has sent, and tells the owner where that is much. At rest, which is in a turn of the
   * clock, the last of it is told, however little: whoever waits there for room waits for that.
   * @returns whether it is to be looked at again, though nothing may happen until then.
   */
  look(isTurn = false): boolean {
    if (this.#isClosed || this.#isAlone) return false;
    const { highWaterMarkBytes } = this.#keeper.limits;
    const queued = Math.min(
      this.transport.bytesQueued + this.#heldBytes,
      this.#receivedBytes - this.#takenBytes,
    );
    this.#takenBytes = this.#receivedBytes - queued;
    const untoldBytes = this.#takenBytes - this.#toldBytes;
    if (untoldBytes >= highWaterMarkBytes / 4 || (isTurn && queued === 0 && untoldBytes > 0)) this.tell();
    return this.#receivedBytes > this.#toldBytes;
  }

  tell(): void {
    const { roundTripMs, maxDatagramBytes } = this.transport;
    this.#toldBytes = this.#takenBytes;
    this.pipe.tell(
      encodeStatus({ takenBytes: this.#takenBytes, isPaused: false, roundTripMs, maxDatagramBytes }),
    );
  }

  /** From so much on the client is held back: what it may send in good faith is taken. */
  get #patienceBytes(): number {
    const { highWaterMarkBytes, windowBytes } = this.#keeper.limits;
    return Math.max(highWaterMarkBytes, windowBytes);
  }

  #pause(): void {
    const isHeldBack = this.transport.pause();
    this.#isPausing = true;
    if (isHeldBack || this.pipe.bytesWaiting < maxWindows * this.#patienceBytes) return;
    this.transport.close({
      code: CloseCode.exhausted,
      reason: "sends faster than it is read",
      graceful: false,
    });
  }

  #takeUnit(op: number, lane: number, bytes: Uint8Array): void {
    const { highWaterMarkBytes, maxUnitBytes } = this.#keeper.limits;
    this.#receivedBytes += bytes.length;
    if (this.#held.length > 0 || !this.#send(op, lane, bytes)) {
      this.#held.push({ op, lane, bytes: bytes.slice() });
      this.#heldBytes += bytes.length;
    }
    if (this.#heldBytes > 2 * (highWaterMarkBytes + maxUnitBytes)) {
      this.fail(CloseCode.internal, "the session's thread sends what nobody takes");
    } else if (this.look()) this.#keeper.watch(this);
  }

  /** @returns false where the transport is full. */
  #send(op: number, lane: number, bytes: Uint8Array): boolean {
    const { transport } = this;
    try {
      const result =
        op === RelayOp.text && transport.sendText !== undefined
          ? transport.sendText(bytes)
          : transport.send(bytes, undefined, lane);
      return result !== "dropped" || transport.state !== "open";
    } catch (error) {
      if (error instanceof ConnectionClosedError) return true; // its end is about to be told
      throw error;
    }
  }

  #deliverHeld(): void {
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      if (!this.#send(first.op, first.lane, first.bytes)) return;
      this.#held.shift();
      this.#heldBytes -= first.bytes.length;
    }
    const closing = this.#closing;
    if (closing === undefined) return;
    clearTimeout(closing.timer);
    this.transport.close(closing.options);
  }

  #dropHeld(): void {
    this.#held.length = 0;
    this.#heldBytes = 0;
  }

  /** A datagram may be lost, and so may one that the path has become too narrow for. */
  #sendDatagram(bytes: Uint8Array): void {
    try {
      this.transport.sendDatagram?.(bytes);
    } catch (error) {
      if (!(error instanceof FrameTooLargeError) && !(error instanceof ConnectionClosedError)) throw error;
    }
  }

  #control(bytes: Uint8Array): void {
    const control = controlOf(decodeFrame(bytes, false, view));
    if (control !== undefined) this.transport.control?.(control);
  }

  #close(options: Complete<CloseOptions>): void {
    if (!options.graceful) this.#dropHeld();
    if (this.#held.length === 0) {
      this.transport.close(options);
      return;
    }
    const timer = setTimeout(() => this.#close({ ...options, graceful: false }), options.deadlineMs);
    this.#closing = { options, timer };
  }

  /** The owner has it: what the client is let in by is kept there. */
  #accepted(): void {
    this.#applicant?.end();
    this.#applicant = undefined;
  }

  #forgetIfDone(): void {
    if (this.#isClosed && !this.#isAlone && this.pipe.isEmpty) this.#keeper.forget(this);
  }
}
