import { InvalidArgumentError } from "../errors.js";
import { parseTransportUrl, type TransportUrl } from "../transport/address.js";
import type { TransportBehaviour } from "../transport/connection.js";
import type { TransportListener } from "../transport/transport.js";
import { streamFraming } from "./control.js";
import type { ResolvedListenOptions } from "./options.js";
import { transportOptions } from "./transport_options.js";
import { transportOf } from "./transports.js";

/** What became of listening on several URLs. */
export interface Bound {
  /** Those that were bound, in the order of the URLs; where one failed, they are the caller's to close. */
  readonly listeners: readonly TransportListener[];
  /** Why one was not, if so. */
  readonly failure: unknown;
}

/**
 * Listens on all URLs for one behaviour.
 * @throws InvalidArgumentError where there are none, or one is no URL.
 */
export async function bindAll(
  urls: string | readonly string[],
  behaviour: TransportBehaviour,
  options: ResolvedListenOptions,
): Promise<Bound> {
  const transportUrls = [urls].flat().map(parseTransportUrl);
  if (transportUrls.length === 0) throw new InvalidArgumentError("urls is empty; name at least one");
  const bound = await Promise.allSettled(transportUrls.map((url) => bind(url, behaviour, options)));
  return {
    listeners: bound.filter((result) => result.status === "fulfilled").map((result) => result.value),
    failure: bound.find((result) => result.status === "rejected")?.reason,
  };
}

async function bind(
  url: TransportUrl,
  behaviour: TransportBehaviour,
  options: ResolvedListenOptions,
): Promise<TransportListener> {
  const transport = await transportOf(url, options.transports);
  const {
    tls,
    http,
    admit,
    abandoned,
    origins,
    allowMissingOrigin,
    permessageDeflate,
    reusePort,
    earlyData,
  } = options;
  const own = {
    tls,
    http,
    admit,
    abandoned,
    origins,
    allowMissingOrigin,
    permessageDeflate,
    reusePort,
    earlyData,
  };
  return transport.listen({ ...transportOptions(transport, options, streamFraming), ...own, url }, behaviour);
}
