import { maxWellKnownBytes, readWellKnown, wellKnownPath } from "../delivery/well_known.js";
import type { Clock } from "../dispatch/clock.js";
import { DiscoveryFailedError } from "../errors.js";
import { connectTimedOut } from "../transport/connect_error.js";
import type { ClientTlsOptions } from "../transport/tls.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import { isHost } from "./urls.js";

/** A document as HTTPS answers with it. */
export interface FetchedDocument {
  readonly status: number;
  readonly text: string;
}

/** How a small document is fetched. */
export interface FetchOptions {
  readonly tls: ClientTlsOptions | undefined;
  readonly signal: AbortSignal;
  /** A larger one is not read. */
  readonly maxBytes: number;
}

/**
 * Gets a document by HTTPS. Redirects are not followed: a document speaks for the host that has it.
 * @throws DiscoveryFailedError where it is too large, or somewhere else; the classes of `connect`
 */
export type FetchDocument = (url: string, options: FetchOptions) => Promise<FetchedDocument>;

export interface DiscoveryOptions {
  readonly fetchDocument: FetchDocument;
  readonly tls: ClientTlsOptions | undefined;
  /** How long one document may take. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

interface Known {
  readonly urls: readonly string[];
  readonly untilMs: number;
}

/**
 * Finds out by what URLs a host's server is reached. One for each session: what was learned by the trust of one client is
 * not another's. It remembers a host for as long as that allows, and beyond that while the host does not answer.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /**
   * @param urls of servers, and of hosts that name theirs (`isHost`).
   * @returns those of servers, in the same order. A host that cannot be asked is passed over where others are left.
   * @throws DiscoveryFailedError where a host answers, but with no document that can be used; HandshakeTimeoutError and
   *   the other classes of `connect` where it does not; AbortedError
   */
  async resolve(urls: readonly string[], signal: AbortSignal | undefined): Promise<readonly string[]> {
    throwIfAborted("connecting", signal);
    const found = await Promise.allSettled(
      urls.map((url) => (isHost(url) ? this.#ask(new URL(url).origin, signal) : [url])),
    );
    throwIfAborted("connecting", signal);
    const all = found.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
    const failed = found.find((each) => each.status === "rejected");
    if (all.length === 0 && failed !== undefined) throw failed.reason;
    return [...new Set(all)];
  }

  async #ask(origin: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { clock } = this.#options;
    const known = this.#known.get(origin);
    if (known !== undefined && clock.now() < known.untilMs) return known.urls;
    try {
      const { status, text } = await this.#fetch(origin + wellKnownPath, signal);
      if (status !== 200) {
        throw new DiscoveryFailedError(`${origin}${wellKnownPath} answered HTTP ${status}, and not 200`);
      }
      const { urls, maxAgeSeconds } = readWellKnown(text, new URL(origin).hostname);
      this.#known.set(origin, { urls, untilMs: clock.now() + 1_000 * maxAgeSeconds });
      return urls;
    } catch (cause) {
      if (known === undefined) throw cause;
      return known.urls;
    }
  }

  #fetch(url: string, signal: AbortSignal | undefined): Promise<FetchedDocument> {
    const { fetchDocument, tls, timeoutMs, clock } = this.#options;
    const controller = new AbortController();
    return new Promise<FetchedDocument>((resolve, reject) => {
      const giveUp = (error: Error) => {
        reject(error);
        controller.abort();
      };
      const onAbort = () => giveUp(abortedError("connecting", signal));
      const cancel = clock.at(clock.now() + timeoutMs, () => giveUp(connectTimedOut(url, timeoutMs)));
      signal?.addEventListener("abort", onAbort, { once: true });
      fetchDocument(url, { tls, signal: controller.signal, maxBytes: maxWellKnownBytes })
        .then(resolve, reject)
        .finally(() => {
          cancel();
          signal?.removeEventListener("abort", onAbort);
        });
    });
  }
}

/** @throws DiscoveryFailedError */
export function tooLarge(url: string, maxBytes: number): DiscoveryFailedError {
  return new DiscoveryFailedError(`${url} is larger than ${maxBytes} bytes, and was not read`);
}
