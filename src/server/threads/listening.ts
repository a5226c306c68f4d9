import { type Bound, bindAll } from "../../frame/bind_all.js";
import type { ResolvedListenOptions } from "../../frame/options.js";
import { transportOf } from "../../frame/transports.js";
import { parseTransportUrl, type SocketAddress } from "../../transport/address.js";
import type { TransportBehaviour } from "../../transport/connection.js";
import type { TransportListener } from "../../transport/transport.js";
import type { Place } from "./group.js";

/**
 * Listens on a server's URLs. In a group threads share ports: those that can be shared are, on the port that the first
 * thread got; of the others one thread accepts.
 */
export async function listenInPlace(
  place: Place | undefined,
  urls: string | readonly string[],
  behaviour: TransportBehaviour,
  options: ResolvedListenOptions,
): Promise<Bound> {
  if (place === undefined) return bindAll(urls, behaviour, options);
  const bound = await Promise.all(
    [urls].flat().map(async (url, index) => {
      const known = sameScheme(url, place.boundUrls[index]);
      const target = placed(url, known, place.group.node?.portOffset ?? 0);
      const reusePort = await sharesPort(url, options);
      if (!reusePort && !place.acceptsAlone && known !== undefined) {
        return { listeners: [new AcceptedElsewhere(known)], failure: undefined };
      }
      return bindAll(target, behaviour, { ...options, reusePort });
    }),
  );
  return {
    listeners: bound.flatMap(({ listeners }) => listeners),
    failure: bound.find(({ failure }) => failure !== undefined)?.failure,
  };
}

async function sharesPort(text: string, { transports }: ResolvedListenOptions): Promise<boolean> {
  const url = parseTransportUrl(text);
  const transport = await transportOf(url, transports);
  return (await transport.sharesPort?.(url.scheme)) ?? false;
}

/** What the first thread was bound to, where this one listens on the same. */
function sameScheme(url: string, known: string | undefined): string | undefined {
  if (known === undefined) return undefined;
  return parseTransportUrl(known).scheme === parseTransportUrl(url).scheme ? known : undefined;
}

/** The URL with the port that the group has in place of 0, or of this process in place of the first one's. */
function placed(url: string, known: string | undefined, portOffset: number): string {
  const { port } = parseTransportUrl(url);
  if (port === 0) return known === undefined ? url : withPort(url, parseTransportUrl(known).port);
  return portOffset === 0 ? url : withPort(url, port + portOffset);
}

function withPort(url: string, port: number): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/(?:\[[^\]]*\]|[^/?:]*))(?::\d+)?/i, `$1:${port}`);
}

/** A port on which another thread of the group accepts. */
class AcceptedElsewhere implements TransportListener {
  readonly transport: string;
  readonly url: string;
  readonly address: SocketAddress;
  readonly connectionCount = 0;

  constructor(url: string) {
    const { scheme, host, port } = parseTransportUrl(url);
    this.transport = scheme;
    this.url = url;
    this.address = { address: host, family: host.includes(":") ? "ipv6" : "ipv4", port };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
