import { ConnectFailedError, InvalidArgumentError } from "../errors.js";
import { parseTransportUrl } from "../transport/address.js";
import { within } from "../transport/wait.js";
import { type Dialled, dial, type Early, type Greeting } from "./dial.js";
import type { ReadClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { transportNameOf } from "./preference.js";
import { isElsewhere } from "./retrying.js";
import type { DialUrl, RouteEvents, Routes } from "./routes.js";

/** What a connector tells of what it does, and asks for. */
export interface ConnectorEvents extends RouteEvents {
  /** A try over a transport has failed. */
  failed(transport: string): void;
  readonly early: Early;
}

/**
 * So many tries may be sent on to a server that cannot be reached before the session is begun anew elsewhere. A server
 * that was restarted has lost it anyway: they are for a network that has failed for a moment.
 */
const maxInVain = 3;

/** Connects to one server, by the URL that it has or by whichever of its routes is the first to answer. */
export class Connector {
  /** Where the server that has the session can be reached, which may be another one than those of the list. */
  home: string | undefined = undefined;
  /** A connection by the only URL that there is, which was begun already: the first that is looked for. */
  begun: Promise<Dialled> | undefined = undefined;
  readonly #given: readonly string[];
  readonly #options: ReadClientOptions;
  readonly #platform: Platform;
  readonly #events: ConnectorEvents;
  /** Undefined where one URL is all that there is, and where it is not there. */
  readonly #routes: Routes | undefined;
  /** How many tries were sent on in vain since the last connection. */
  #inVain = 0;

  constructor(
    urls: readonly string[],
    options: ReadClientOptions,
    platform: Platform,
    events: ConnectorEvents,
  ) {
    this.#given = urls;
    this.#options = options;
    this.#platform = platform;
    this.#events = events;
    this.#routes = platform.extras.here?.makeRoutes(urls, options, platform, events);
  }

  /** Those that can be dialled, as far as they are known, the most wanted first. */
  get urls(): readonly string[] {
    return this.#routes?.urls ?? this.#given;
  }

  /**
   * Connects to where the session is, and where that fails, next time to any of all. Where its server cannot be reached
   * again and again, though others can, they are asked for a new one: see {@link maxInVain}.
   * @returns as `connect`
   * @throws as `Routes.candidates` and `connect`
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

  /** What is to be tried now. */
  #candidates(hello: Greeting, signal: AbortSignal): readonly string[] | Promise<readonly string[]> {
    const { home } = this;
    this.home = undefined;
    if (home !== undefined) return [home];
    return this.#routes?.candidates(this.#dialler(hello), signal) ?? this.#given;
  }

  /** A connection is there. */
  connected(url: string): void {
    this.home = this.urls.includes(url) ? undefined : url;
    this.#inVain = 0;
  }

  /**
   * The URL that is meant by a URL, or by the name or scheme of a transport.
   * @throws InvalidArgumentError where none of the list is of that transport
   */
  find(where: string): string {
    if (typeof where === "string" && !where.includes(":")) {
      const found = this.urls.find((url) => url.startsWith(`${where}:`) || this.#nameOf(url) === where);
      if (found !== undefined) return found;
      throw new InvalidArgumentError(`"${where}" is no URL, and none of those given to connect is of it`);
    }
    parseTransportUrl(where);
    return String(where);
  }

  /**
   * @returns a connection on which the server has said welcome; nothing is committed.
   * @throws as `race`: its own error where there is but one URL; AbortedError at once when the signal fires
   */
  connect(urls: readonly string[], hello: Greeting, signal: AbortSignal): Promise<Dialled> {
    const dialUrl = this.#tries(this.#begunOr(this.#dialler(hello)));
    return this.#routes?.first(urls, dialUrl, signal) ?? alone(dialUrl(urls[0]!, signal), signal);
  }

  #dialler(hello: Greeting): DialUrl {
    const options = this.#options;
    return (url, signal) => dial(url, this.#platform, { ...options, signal }, hello, this.#events.early);
  }

  /** What was begun, unless it was lost while it had nothing to carry. */
  #begunOr(dialUrl: DialUrl): DialUrl {
    const { begun } = this;
    if (begun === undefined) return dialUrl;
    this.begun = undefined;
    return async (url, signal) => {
      const dialled = await begun;
      return dialled.connection.state === "open" ? dialled : dialUrl(url, signal);
    };
  }

  #tries(dialUrl: DialUrl): DialUrl {
    return async (url, signal) => {
      try {
        return await dialUrl(url, signal);
      } catch (cause) {
        if (!signal.aborted) this.#events.failed(this.#nameOf(url));
        throw cause;
      }
    };
  }

  #nameOf(url: string): string {
    const scheme = url.slice(0, url.indexOf(":"));
    const added = this.#options.transports?.find(({ schemes }) => schemes.includes(scheme));
    return added?.name ?? transportNameOf(url);
  }
}

/** What comes in spite of the signal is closed. */
function alone(dialling: Promise<Dialled>, signal: AbortSignal): Promise<Dialled> {
  const discard = ({ connection }: Dialled) => {
    if (signal.aborted) connection.close({ graceful: false });
  };
  dialling.then(discard, () => {});
  return within(dialling, "connecting", { signal });
}

/** Whether a server that can be reached has sent the client to one that cannot. */
function isInVain(cause: unknown): boolean {
  if (cause instanceof ConnectFailedError) return cause.errors.some(({ error }) => isElsewhere(error));
  return isElsewhere(cause);
}
