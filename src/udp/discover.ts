import type { RemoteInfo } from "node:dgram";
import { ReaderLockedError, TimeoutError } from "../errors.js";
import { Kind } from "../frame/frame.js";
import { throwIfAborted, watchWait } from "../transport/wait.js";
import { type Counters, noCounters, type UdpCounters } from "./counters.js";
import { type Admitted, Gate, type Verdict } from "./gate.js";
import { Inbox } from "./inbox.js";
import { type DiscoverOptions, type ResolvedDiscoverOptions, readDiscoverOptions } from "./options.js";
import { encodeQuery, type FoundService, reachableUrl, readReply } from "./service.js";
import { closeSocket, openSenders, type Sender, senderOf } from "./sockets.js";

/** The most services of one search: what answers beyond that is dropped. */
const maxServices = 1_024;

/** Services as they answer: each once for each address that it answers from, and again when its URLs have changed. */
export interface Discovery extends AsyncIterable<FoundService> {
  readonly counters: UdpCounters;
}

/**
 * Looks for services on the LAN, from the moment that it is iterated until it is left, or `timeoutMs` is over.
 * @returns iterated once. It throws AbortedError where `signal` fires; AddressForbiddenError, AddressUnavailableError.
 * @throws InvalidArgumentError
 */
export function discover(options: DiscoverOptions): Discovery {
  return new Search(readDiscoverOptions(options));
}

class Search implements Discovery {
  readonly #options: ResolvedDiscoverOptions;
  readonly #counters: Counters = noCounters();
  readonly #gate: Gate;
  readonly #query: Uint8Array;
  readonly #found: Inbox<FoundService>;
  /** URLs by who answered. */
  readonly #known = new Map<string, string>();
  #begun = false;

  constructor(options: ResolvedDiscoverOptions) {
    this.#options = options;
    this.#gate = new Gate(options, this.#counters);
    this.#query = encodeQuery(options.name);
    this.#found = new Inbox(maxServices, () => {
      this.#counters.overtaken += 1;
    });
  }

  get counters(): UdpCounters {
    return { ...this.#counters };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FoundService, void, undefined> {
    if (this.#begun) throw new ReaderLockedError("a search is iterated once; begin another one");
    this.#begun = true;
    const { signal, timeoutMs, intervalMs } = this.#options;
    throwIfAborted("discovering", signal);
    const senders = await openSenders(this.#options, (datagram, from) => this.#onDatagram(datagram, from));
    const wait = { signal, timeoutMs: timeoutMs === 0 ? undefined : timeoutMs };
    const endWatch = watchWait("discovering", wait, (error) =>
      this.#found.end(error instanceof TimeoutError ? undefined : error),
    );
    const timer = setInterval(() => this.#ask(senders), intervalMs);
    try {
      this.#ask(senders);
      yield* this.#found.read();
    } finally {
      endWatch();
      clearInterval(timer);
      await Promise.all(senders.map(({ socket }) => closeSocket(socket)));
    }
  }

  #ask(senders: readonly Sender[]): void {
    const datagram = this.#gate.seal(this.#query);
    for (const sender of senders) {
      sender.send(datagram, this.#options.port, (error) => {
        this.#counters[error === null ? "sent" : "unsent"] += 1;
      });
    }
  }

  #onDatagram(datagram: Uint8Array, from: RemoteInfo): void {
    this.#gate.admit(datagram, (admitted) => this.#take(admitted, from));
  }

  #take({ frame }: Admitted, remote: RemoteInfo): Verdict {
    if (frame.kind !== Kind.Response || !this.#gate.envelope.isOwn(frame.payload)) return "ignored";
    const service = readReply(frame);
    if (service === undefined) return "malformed";
    const { name } = this.#options;
    if (name !== undefined && service.name !== name) return "ignored";
    const address = senderOf(remote);
    const urls = service.urls.map((url) => reachableUrl(url, address)).filter((url) => url !== undefined);
    if (urls.length === 0) return "malformed";
    const key = JSON.stringify([service.name, address.address, address.port]);
    if (!this.#known.has(key) && this.#known.size >= maxServices) return "dropped";
    const list = JSON.stringify(urls);
    if (this.#known.get(key) !== list) this.#found.push({ name: service.name, urls, address });
    this.#known.set(key, list);
    return "taken";
  }
}
