import type { Clock } from "../dispatch/clock.js";
import type { Dialled } from "./dial.js";
import { Discovery, type FetchDocument } from "./discovery.js";
import type { NetworkMemory } from "./network_memory.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { byPreference } from "./preference.js";
import type { ProbeResult, probeUrls, ReadProbeOptions } from "./probe.js";
import { race } from "./race.js";
import { isHost } from "./urls.js";

/** Connects by one URL. */
export type DialUrl = (url: string, signal: AbortSignal) => Promise<Dialled>;

/** What routes tell of what they do. */
export interface RouteEvents {
  /** What the application has passed in has thrown; connecting goes on without. */
  report(cause: unknown): void;
  /** The URLs have been measured. */
  probed(result: ProbeResult): void;
}

/**
 * The ways to a server where there may be several: what URLs a host names, in what order they are tried, and which of
 * them answers first. A page whose session has one URL does without.
 */
export class Routes {
  /** As they were given: hosts among them. */
  readonly #given: readonly string[];
  /** Those that can be dialled, the most wanted first. */
  #urls: readonly string[];
  readonly #options: ReadClientOptions;
  readonly #clock: Clock;
  readonly #events: RouteEvents;
  readonly #discovery: Discovery;
  readonly #memory: NetworkMemory | undefined;
  readonly #measure: typeof probeUrls | undefined;
  /** The order that a probe has found. */
  #probed: readonly string[] | undefined = undefined;

  constructor(
    urls: readonly string[],
    options: ReadClientOptions,
    { choice, clock }: Platform,
    fetchDocument: FetchDocument,
    events: RouteEvents,
  ) {
    const { tls, connectTimeoutMs: timeoutMs, preferredTransport } = options;
    const { networkStore: store, network, udpBlockedForMs } = options;
    this.#given = urls;
    this.#urls = byPreference(
      urls.filter((url) => !isHost(url)),
      preferredTransport,
    );
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#discovery = new Discovery({ fetchDocument, tls, timeoutMs, clock });
    const report = (cause: unknown) => events.report(cause);
    this.#memory = choice?.memory({ store, network, expiryMs: udpBlockedForMs, report });
    this.#measure = choice?.probe;
  }

  /** Those that can be dialled, as far as they are known, the most wanted first. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  /**
   * What is to be tried now.
   * @throws as `Discovery.resolve`
   */
  async candidates(dial: DialUrl, signal: AbortSignal): Promise<readonly string[]> {
    await this.#discover(signal);
    const { probe } = this.#options;
    if (probe !== undefined && this.#probed === undefined && this.#urls.length > 1) {
      const result = await this.#measured(this.#measure!, probe, dial, signal);
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
    dial: DialUrl,
    signal: AbortSignal | undefined,
  ): Promise<ProbeResult> {
    await this.#discover(signal);
    return this.#measured(measure, options, dial, signal);
  }

  /**
   * @returns a connection on which the server has said welcome, by the first URL that has one; nothing is committed.
   * @throws as `race`
   */
  async first(urls: readonly string[], dial: DialUrl, signal: AbortSignal): Promise<Dialled> {
    const { headStartMs } = this.#options;
    const result = await race(urls, {
      headStartMs,
      noHeadStart: urls.length > 1 ? this.#memory?.blocksUdp(urls) : undefined,
      signal,
      clock: this.#clock,
      dial,
      discard: ({ connection }) => connection.close({ graceful: false }),
    });
    void this.#memory?.learn(result, headStartMs);
    return result.value;
  }

  async #discover(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#given.some(isHost)) return;
    const found = await this.#discovery.resolve(this.#given, signal);
    this.#urls = byPreference(found, this.#options.preferredTransport);
  }

  #measured(
    measure: typeof probeUrls,
    options: ReadProbeOptions,
    dial: DialUrl,
    signal: AbortSignal | undefined,
  ): Promise<ProbeResult> {
    return measure(this.#urls, options, { dial, clock: this.#clock, signal });
  }
}

/** Makes them. */
export type MakeRoutes = (
  urls: readonly string[],
  options: ReadClientOptions,
  platform: Platform,
  events: RouteEvents,
) => Routes;

/** Makes them where documents are fetched so. */
export function routesBy(fetchDocument: FetchDocument): MakeRoutes {
  return (urls, options, platform, events) => new Routes(urls, options, platform, fetchDocument, events);
}

/** Those that were not there when it was found come last. */
function inOrderOf(order: readonly string[], urls: readonly string[]): readonly string[] {
  const placeOf = (url: string) => (order.indexOf(url) + order.length + 1) % (order.length + 1);
  return [...urls].sort((a, b) => placeOf(a) - placeOf(b));
}
