import type { RemoteInfo, Socket } from "node:dgram";
import { InvalidArgumentError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import type { SocketAddress } from "../transport/address.js";
import { socketAddress } from "../transport/socket_address.js";
import { Budget } from "./budget.js";
import { type Counters, noCounters, type UdpCounters } from "./counters.js";
import { maxFrameBytes, nonceBytes, overheadBytes } from "./envelope.js";
import { type Admitted, Gate } from "./gate.js";
import { systemClock } from "./nonces.js";
import { type AnnounceOptions, type ResolvedAnnounceOptions, readAnnounceOptions } from "./options.js";
import { encodeReply, type Service } from "./service.js";
import { closeSocket, openReceiver } from "./sockets.js";

/** A service that answers who looks for it, until it is closed. */
export interface Announcement extends AsyncDisposable {
  /** Where queries are heard, with the port that was bound. */
  readonly address: SocketAddress;
  readonly counters: UdpCounters;
  /** Answers no more. Idempotent. @returns resolves when the port is free. */
  close(): Promise<void>;
}

/**
 * Answers who looks for a service on the LAN, and has the secret. Nobody is sent more bytes than came from there: an
 * answer has as many of the URLs as the query is long enough for, the first ones, or there is none.
 * @throws InvalidArgumentError, also where name and URLs do not fit into a datagram together
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export async function announce(options: AnnounceOptions): Promise<Announcement> {
  const read = readAnnounceOptions(options);
  const answerer = new Answerer(read);
  answerer.socket = await openReceiver(read, read.port, read.address, (datagram, from) =>
    answerer.onDatagram(datagram, from),
  );
  return answerer;
}

class Answerer implements Announcement {
  /** Set as soon as it is open: nothing is heard before. */
  socket!: Socket;
  readonly #counters: Counters = noCounters();
  readonly #gate: Gate;
  readonly #budget: Budget;
  readonly #service: Service;
  /** Bytes of the frame that answers with the first one, two, … of the URLs. */
  readonly #frameBytes: readonly number[];
  #closed: Promise<void> | undefined = undefined;

  constructor(options: ResolvedAnnounceOptions) {
    const { name, urls, maxRepliesPerSecond, maxRepliesPerSource } = options;
    this.#gate = new Gate(options, this.#counters);
    this.#budget = new Budget(maxRepliesPerSecond, maxRepliesPerSource, () => systemClock.elapsedMs());
    this.#service = { name, urls };
    const anyQuestion = new Uint8Array(nonceBytes);
    this.#frameBytes = urls.map(
      (_url, index) => encodeReply({ name, urls: urls.slice(0, index + 1) }, anyQuestion).length,
    );
    const all = this.#frameBytes.at(-1)!;
    if (all > maxFrameBytes) {
      throw new InvalidArgumentError(`name and urls take ${all} bytes; a datagram holds ${maxFrameBytes}`);
    }
  }

  get address(): SocketAddress {
    const { address, port } = this.socket.address();
    return socketAddress(address, port);
  }

  get counters(): UdpCounters {
    return { ...this.#counters };
  }

  close(): Promise<void> {
    this.#closed ??= closeSocket(this.socket);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  onDatagram(datagram: Uint8Array, from: RemoteInfo): void {
    this.#gate.admit(datagram, (admitted) => {
      const { kind, subject } = admitted.frame;
      if (kind !== Kind.Request || (subject !== undefined && subject !== this.#service.name))
        return "ignored";
      this.#answer(admitted, datagram.length, from);
      return "taken";
    });
  }

  #answer({ nonce }: Admitted, queryBytes: number, from: RemoteInfo): void {
    const room = queryBytes - overheadBytes;
    const count = this.#frameBytes.findLastIndex((bytes) => bytes <= room) + 1;
    if (count === 0 || !this.#budget.take(from.address)) {
      this.#counters.unanswered += 1;
      return;
    }
    const service = { ...this.#service, urls: this.#service.urls.slice(0, count) };
    const reply = this.#gate.seal(encodeReply(service, nonce));
    this.socket.send(reply, from.port, from.address, (error) => {
      this.#counters[error === null ? "sent" : "unsent"] += 1;
    });
  }
}
