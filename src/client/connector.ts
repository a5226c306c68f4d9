import { ConnectFailedError, InvalidArgumentError } from "../errors.js";
import { parseTransportUrl } from "../transport/address.js";
import { type DialEvents, type Dialled, dial, type Greeting } from "./dial.js";
import { Discovery, isHost } from "./discovery.js";
import type { NetworkMemory } from "./network_memory.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { byPreference, transportNameOf } from "./preference.js";
import type { ProbeResult, probeUrls, ReadProbeOptions } from "./probe.js";
import { race } from "./race.js";
import { isElsewhere } from "./retrying.js";

/** What a connector tells of what it does. */
export interface ConnectorEvents extends DialEvents {
  /** What the application has passed in has thrown; connecting goes on without. */
  report(cause: unknown): void;
  /** A try over a transport has failed. */
  failed(transport: string): void;
  /** The URLs have been measured. */
  probed(result: ProbeResult): void;
}

/**
 * So many tries may be sent on to a server that cannot be reached before the session is begun anew elsewhere. A server
 * that was restarted has lost it anyway: they are for a network that has failed for a moment.
 */
const maxInVain = 3;

/** Connects to one server by whichever of its URLs is the first to answer. */
export class Connector {
  /** Where the server that has the session can be reached, which may be another one than those of the list. */
  home: string | undefined = undefined;
  /** As they were given: hosts among them. */
  readonly #given: readonly string[];
  /** Those that can be dialled, the most wanted first. */
  #urls: readonly string[];
  readonly #options: ReadClientOptions;
  readonly #platform: Platform;
  readonly #events: ConnectorEvents;
  readonly #discovery: Discovery;
  readonly #memory: NetworkMemory | undefined;
  /** How many tries were sent on in vain since the last connection. */
  #inVain = 0;
  /** The order that a probe has found. */
  #probed: readonly string[] | undefined = undefined;

  constructor(
    urls: readonly string[],
    options: ReadClientOptions,
    platform: Platform,
    events: ConnectorEvents,
  ) {
    const { tls, connectTimeoutMs: timeoutMs, preferredTransport } = options;
    const { networkStore: store, network, udpBlockedForMs } = options;
    const { fetchDocument, clock } = platform;
    this.#given = urls;
    this.#urls = byPreference(
      urls.filter((url) => !isHost(url)),
      preferredTransport,
    );
    this.#options = options;
    this.#platform = platform;
    this.#events = events;
    this.#discovery = new Discovery({ fetchDocument, tls, timeoutMs, clock });
    const report = (cause: unknown) => events.report(cause);
    this.#memory = platform.choice?.memory({ store, network, expiryMs: udpBlockedForMs, report });
  }

  /** Those that can be dialled, as far as they are known, the most wanted first. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  /**
   * Connects to where the session is, and where that fails, next time to any of all. Where its server cannot be reached
   * again and again, though others can, they are asked for a new one: see {@link maxInVain}.
   * @returns as `connect`
   * @throws as `Discovery.resolve` and `race`
   */
  async seek(hello: Greeting, signal: AbortSignal): Promise<Dialled> {
    const urls = await this.#candidates(hello, signal);
    try {
      return await this.connect(urls, hello, signal);
    } catch (cause) {
      if (signal.aborted || hello().resumption === undefined || !isInVain(cause)) throw cause;
      this.#inVain += 1;
      if (this.#inVain < maxInVain) throw cause;
      return this.connect(urls, () => ({ ...hello(), resumption: undefined }), signal);
    }
  }

  /**
   * What is to be tried now.
   * @throws as `Discovery.resolve`
   */
  async #candidates(hello: Greeting, signal: AbortSignal): Promise<readonly string[]> {
    const { home } = this;
    this.home = undefined;
    if (home !== undefined) return [home];
    await this.#discover(signal);
    const { probe } = this.#options;
    if (probe !== undefined && this.#probed === undefined && this.#urls.length > 1) {
      const result = await this.#measure(this.#platform.choice!.probe, probe, hello, signal);
      this.#probed = result.urls.map(({ url }) => url);
      this.#events.probed(result);
    }
    if (this.#probed !== undefined) this.#urls = inOrderOf(this.#probed, this.#urls);
    return this.#urls;
  }

  /** Measures all URLs. @throws as `Discovery.resolve` and `probeUrls` */
  async measure(
    measure: typeof probeUrls,
    options: ReadProbeOptions,
    hello: Greeting,
    signal: AbortSignal | undefined,
  ): Promise<ProbeResult> {
    await this.#discover(signal);
    return this.#measure(measure, options, hello, signal);
  }

  async #discover(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#given.some(isHost)) return;
    const found = await this.#discovery.resolve(this.#given, signal);
    this.#urls = byPreference(found, this.#options.preferredTransport);
  }

  #measure(
    measure: typeof probeUrls,
    options: ReadProbeOptions,
    hello: Greeting,
    signal: AbortSignal | undefined,
  ): Promise<ProbeResult> {
    const { clock } = this.#platform;
    return measure(this.#urls, options, {
      dial: (url, each, events) => this.#dial(url, hello, each, events),
      clock,
      signal,
    });
  }

  /** A connection is there. */
  connected(url: string): void {
    this.home = this.#urls.includes(url) ? undefined : url;
    this.#inVain = 0;
  }

  /**
   * The URL that is meant by a URL, or by the name or scheme of a transport.
   * @throws InvalidArgumentError where none of the list is of that transport
   */
  find(where: string): string {
    if (typeof where === "string" && !where.includes(":")) {
      const found = this.#urls.find((url) => this.#isOf(url, where));
      if (found !== undefined) return found;
      throw new InvalidArgumentError(`"${where}" is no URL, and none of those given to connect is of it`);
    }
    parseTransportUrl(where);
    return String(where);
  }

  /**
   * @returns a connection on which the server has said welcome; nothing is committed.
   * @throws as `race`
   */
  async connect(urls: readonly string[], hello: Greeting, signal: AbortSignal): Promise<Dialled> {
    const { headStartMs } = this.#options;
    const result = await race(urls, {
      headStartMs,
      noHeadStart: urls.length > 1 ? this.#memory?.blocksUdp(urls) : undefined,
      signal,
      clock: this.#platform.clock,
      dial: (url, each) => this.#try(url, hello, each),
      discard: ({ connection }) => connection.close({ graceful: false }),
    });
    void this.#memory?.learn(result, headStartMs);
    return result.value;
  }

  async #try(url: string, hello: Greeting, signal: AbortSignal): Promise<Dialled> {
    try {
      return await this.#dial(url, hello, signal, this.#events);
    } catch (cause) {
      if (!signal.aborted) this.#events.failed(this.#nameOf(url));
      throw cause;
    }
  }

  #dial(url: string, hello: Greeting, signal: AbortSignal, events: DialEvents): Promise<Dialled> {
    return dial(url, this.#platform, { ...this.#options, signal }, hello, events);
  }

  #isOf(url: string, name: string): boolean {
    return url.startsWith(`${name}:`) || this.#nameOf(url) === name;
  }

  #nameOf(url: string): string {
    const scheme = url.slice(0, url.indexOf(":"));
    const added = this.#options.transports?.find(({ schemes }) => schemes.includes(scheme));
    return added?.name ?? transportNameOf(url);
  }
}

/** Whether a server that can be reached has sent the client to one that cannot. */
function isInVain(cause: unknown): boolean {
  if (cause instanceof ConnectFailedError) return cause.errors.some(({ error }) => isElsewhere(error));
  return isElsewhere(cause);
}

/** Those that were not there when it was found come last. */
function inOrderOf(order: readonly string[], urls: readonly string[]): readonly string[] {
  const placeOf = (url: string) => (order.indexOf(url) + order.length + 1) % (order.length + 1);
  return [...urls].sort((a, b) => placeOf(a) - placeOf(b));
}
