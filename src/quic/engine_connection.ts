import type { X509Certificate } from "node:crypto";
import { ConnectionClosedError, type MillraceError } from "../errors.js";
import type { Engine, EngineResource } from "../native/engine.js";
import type { RingReader } from "../native/ring.js";
import type { Complete } from "../options/complete.js";
import type { SocketAddress } from "../transport/address.js";
import { type CloseInfo, type CloseOptions, readCloseOptions } from "../transport/close.js";
import { localCloseError } from "../transport/close_error.js";
import { type ConnectionId, type ConnectionState, nextConnectionId } from "../transport/connection.js";
import { parseAddress } from "../transport/socket_address.js";
import type { PathChange } from "./path_change.js";
import { type RebindOptions, rebind } from "./rebind.js";
import { handshakeError, lossError } from "./status.js";
import { decodeCertificates } from "./tls/certificate.js";

/** A statistics request is answered from the last one for so long. */
const STATISTICS_FRESH_MS = 1_000;

/** Waits for the handshake of a connection that we opened. */
export interface Opening {
  /** Whom to: for messages. */
  readonly where: string;
  /** It waits to be started, so that streams can be opened that go with its first packets. */
  ready(): void;
  /** Why the server is not to be believed, whose certificate is sound; undefined where it is. */
  fault(shown: () => X509Certificate | undefined): MillraceError | undefined;
  opened(): void;
  failed(error: MillraceError): void;
}

/**
 * What framed and raw QUIC connections have in common: an identity in the engine, addresses, and an end. Small, for
 * there are many: what is rarely asked for stays in the engine.
 */
export abstract class EngineConnection implements EngineResource {
  readonly id: ConnectionId = nextConnectionId();
  readonly slot: number;
  readonly generation: number;
  protected readonly engine: Engine;
  /** Why the peer's certificate was refused here: the reason of a handshake that fails then. */
  protected refusedPeer: MillraceError | undefined;
  #state: ConnectionState = "open";
  #protocol = "";
  #opening: Opening | undefined;
  /** The application has it, although its handshake is not complete. */
  #early = false;
  #failure: MillraceError | undefined;
  /** [local, remote], once they were asked for or the connection has ended. */
  #addresses: readonly [SocketAddress, SocketAddress] | undefined;
  #statisticsAt = 0;

  constructor(engine: Engine, slot: number, generation: number, opening?: Opening) {
    this.engine = engine;
    this.slot = slot;
    this.generation = generation;
    this.#opening = opening;
  }

  abstract onEvent(record: RingReader): void;

  /** What a close code of the peer means, where codes are ours and not the application's. */
  protected abstract peerError(code: number, reason: string): MillraceError | undefined;

  get transport(): string {
    return "quic";
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The negotiated ALPN (RFC 7301). */
  get protocol(): string {
    return this.#protocol;
  }

  get localAddress(): SocketAddress {
    return this.#readAddresses()[0];
  }

  get remoteAddress(): SocketAddress {
    return this.#readAddresses()[1];
  }

  /**
   * Moves a connection that we opened to another local port or address, and keeps it.
   * @returns where it is now.
   * @throws see rebind.ts
   */
  rebind(options?: RebindOptions): Promise<SocketAddress> {
    return rebind(this.engine, this, options);
  }

  /** The smoothed round trip, at most a second older than the call before this one. */
  get roundTripMs(): number | undefined {
    if (this.#state === "closed") return undefined; // the slot may be another's by now
    const now = performance.now();
    if (this.#state === "open" && now - this.#statisticsAt > STATISTICS_FRESH_MS) {
      this.#statisticsAt = now;
      this.engine.native.refreshStatistics(this.slot, this.generation);
    }
    const microseconds = this.engine.roundTripUs(this.slot);
    return microseconds === 0 ? undefined : microseconds / 1_000;
  }

  /**
   * Ends the connection. Graceful (the default) first delivers what was accepted for sending, up to the deadline.
   * Idempotent.
   * @throws InvalidArgumentError
   */
  close(options: CloseOptions = {}): void {
    this.closeWith(readCloseOptions(options));
  }

  /** A close that is not graceful also ends one that is and has not finished. */
  protected closeWith({ code, reason, graceful, deadlineMs }: Complete<CloseOptions>): void {
    const hurries = this.#state === "closing" && !graceful;
    if (this.#state !== "open" && !hurries) return;
    this.#state = "closing";
    this.engine.outbox.flush();
    this.engine.native.closeConnection(this.slot, this.generation, code, reason, graceful, deadlineMs);
  }

  /** Ends it at once, for a reason that is not the application's. */
  abandon(failure: MillraceError): void {
    this.#failure ??= failure;
    this.close({ graceful: false });
  }

  protected assertOpen(): void {
    if (this.#state !== "open") {
      throw new ConnectionClosedError(`the connection is ${this.#state}; open another one to send`);
    }
  }

  /** The handshake begins when the application has had its turn. */
  protected onReady(): void {
    this.#early = true;
    this.#opening?.ready();
  }

  /**
   * The handshake has completed: record is {u32 listener, u32 datagram limit, ALPN}.
   * @returns false where the server is not believed: who waits is told when the connection has ended.
   */
  protected onOpened(record: RingReader): boolean {
    this.#protocol = internProtocol(record.text(8));
    const opening = this.#opening;
    const fault = opening?.fault(() => this.certificateShown());
    if (fault !== undefined) {
      this.abandon(fault);
      return false;
    }
    this.#opening = undefined;
    opening?.opened();
    return true;
  }

  /**
   * It has ended: record is {u32 by, i32 status, u64 code, reason}.
   * @returns how, or undefined where it never opened and the one who waits was told.
   */
  protected onClosed(record: RingReader): CloseInfo | undefined {
    this.#readAddresses(); // the engine forgets them now
    const closedByUs = this.#state === "closing";
    this.#state = "closed";
    const by = closers[record.uint32(0)] ?? "transport";
    const status = record.int32(4);
    const code = record.uint64(8);
    const reason = record.text(16);
    const opening = this.#opening;
    if (opening !== undefined) {
      this.#opening = undefined;
      const closed = new ConnectionClosedError("the connection was closed");
      const failure = this.#failure ?? this.refusedPeer;
      const error =
        failure ??
        (by === "transport" ? handshakeError(status, opening.where, this.certificateShown()) : closed);
      opening.failed(error);
      if (!this.#early) return undefined;
      return error === closed ? { by, code, reason } : { by, code, reason, error };
    }
    const error = this.#endError(by, status, code, reason, closedByUs);
    return error === undefined ? { by, code, reason } : { by, code, reason, error };
  }

  /** The peer's certificate, once it was found good, or good but for its name. */
  protected certificateShown(): X509Certificate | undefined {
    const encoded = this.engine.native.peerCertificate(this.slot, this.generation);
    return encoded && decodeCertificates(encoded)[0];
  }

  /** The peer has moved, perhaps several times since the last event; undefined where it is where it was. */
  protected takePathChange(): PathChange | undefined {
    const texts = this.engine.native.takePathChange(this.slot, this.generation);
    if (texts === undefined) return undefined;
    const [local, before, after] = texts;
    return {
      local: parseAddress(local),
      remote: { before: parseAddress(before), after: parseAddress(after) },
    };
  }

  #endError(
    by: CloseInfo["by"],
    status: number,
    code: number,
    reason: string,
    closedByUs: boolean,
  ): MillraceError | undefined {
    if (by === "transport") return lossError(status);
    if (by === "peer") return this.peerError(code, reason);
    return closedByUs ? undefined : localCloseError(code);
  }

  #readAddresses(): readonly [SocketAddress, SocketAddress] {
    if (this.#addresses !== undefined) return this.#addresses;
    const texts = this.engine.native.addresses(this.slot, this.generation);
    const addresses = [parseAddress(texts?.[0] ?? ""), parseAddress(texts?.[1] ?? "")] as const;
    if (this.#state !== "open" || texts === undefined) this.#addresses = addresses;
    return addresses;
  }
}

const closers = ["local", "peer", "transport"] as const;

// A million connections speak a handful of protocols.
const protocols = new Map<string, string>();

function internProtocol(text: string): string {
  const known = protocols.get(text);
  if (known !== undefined) return known;
  if (protocols.size < 256) protocols.set(text, text);
  return text;
}
