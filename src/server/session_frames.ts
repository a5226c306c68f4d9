import type { MillraceError } from "../errors.js";
import type { FrameContents } from "../frame/frame.js";
import { FrameBehaviour } from "../frame/frame_behaviour.js";
import type { Codec } from "../frame/message_codec.js";
import type { CloseInfo } from "../transport/close.js";
import { CloseCode } from "../transport/close.js";
import type { PlacedFrame, TransportConnection } from "../transport/connection.js";
import type { WaitOptions } from "../transport/wait.js";
import { Waiters } from "../transport/waiters.js";
import type { ServerCore } from "./core.js";
import { Handshake } from "./handshake.js";
import { ServerSession } from "./server_session.js";
import { Relay } from "./threads/relay.js";

const nothing = new Uint8Array(0);

/** Whose a connection is: nobody's yet, a session's, one's that another environment has, or nobody's any more. */
type Owner<Data> = Handshake<Data> | ServerSession<Data> | Relay | symbol;

/** Brings the frames of all of a server's connections to whose they are. */
export class SessionFrames<Data> extends FrameBehaviour<Owner<Data>> {
  readonly #core: () => ServerCore<Data>;
  readonly connections: Set<TransportConnection> = new Set();
  readonly #ended = new Waiters();
  /** What a handshake is given now, as the transport has it. */
  #unit: Uint8Array = nothing;

  /** @param core asked for when the first connection comes. */
  constructor(codecs: readonly Codec[] | undefined, core: () => ServerCore<Data>) {
    super(codecs);
    this.#core = core;
  }

  override open(transport: TransportConnection): void {
    const core = this.#core();
    this.connections.add(transport);
    const handshake = new Handshake(core, transport);
    transport.owner = handshake;
    const isTooMany = core.unauthenticated >= core.options.limits.unauthenticated;
    core.handshakes.add(handshake);
    if (isTooMany || core.isClosing) {
      core.counters.rejected += 1;
      handshake.end();
      transport.close({ code: CloseCode.exhausted, reason: "too many wait to be let in", graceful: false });
    }
  }

  confirmed(transport: TransportConnection): void {
    const { owner } = transport;
    if (owner instanceof Handshake) owner.confirm();
  }

  override of(transport: TransportConnection): Owner<Data> {
    return transport.owner as Owner<Data>;
  }

  override frame(transport: TransportConnection, unit: Uint8Array): void {
    const { owner } = transport;
    if (owner instanceof Relay) owner.frame(unit);
    else if (owner instanceof Handshake) this.#greeting(owner, transport, unit);
    else super.frame(transport, unit);
  }

  #greeting(handshake: Handshake<Data>, transport: TransportConnection, unit: Uint8Array): void {
    this.#unit = unit;
    super.frame(transport, unit);
    if (!(transport.owner instanceof ServerSession)) return;
    const { early } = handshake;
    if (early === undefined) return;
    for (const unit of early.take()) super.frame(transport, unit); // it has begun just now
  }

  override placedFrame(transport: TransportConnection, frame: PlacedFrame): void {
    if (transport.owner instanceof ServerSession) super.placedFrame(transport, frame);
    else this.frame(transport, frame.bytes());
  }

  protected override take(
    owner: Owner<Data>,
    transport: TransportConnection,
    frame: Readonly<FrameContents>,
  ): void {
    if (owner instanceof ServerSession) {
      this.#core().touch(owner);
      owner.take(frame);
    } else if (owner instanceof Handshake) owner.take(frame, this.#unit);
    else if (transport.state === "open") transport.close({ graceful: false });
  }

  protected override refuse(
    owner: Owner<Data>,
    transport: TransportConnection,
    code: number,
    fault: MillraceError,
  ): void {
    if (owner instanceof Handshake) owner.end();
    transport.close({ code, reason: fault.message.slice(0, 100), graceful: false });
  }

  override drain(transport: TransportConnection): void {
    const { owner } = transport;
    if (owner instanceof ServerSession) owner.drained(performance.now());
    else if (owner instanceof Relay) owner.drain();
  }

  override close(transport: TransportConnection, info: CloseInfo): void {
    this.connections.delete(transport);
    const { owner } = transport;
    transport.owner = undefined;
    if (owner instanceof ServerSession) owner.lose(transport, info);
    else if (owner instanceof Relay) owner.lose(info);
    else if (owner instanceof Handshake) owner.end();
    this.#ended.wake();
  }

  /** Resolves when the next connection has ended. @throws TimeoutError, AbortedError */
  ended(wait: WaitOptions = {}): Promise<void> {
    return this.#ended.wait("connections to end", wait);
  }
}
