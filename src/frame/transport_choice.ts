import { UnknownTransportError } from "../errors.js";
import type { TransportUrl } from "../transport/address.js";
import type { Transport } from "../transport/transport.js";

/** The transports that come with millrace where it runs, by scheme. */
export type BuiltIn = Readonly<Record<string, () => Promise<Transport>>>;

/**
 * The transport for a URL's scheme.
 * @param added the application's own, asked first.
 * @throws UnknownTransportError
 */
export async function chooseTransport(
  { scheme }: TransportUrl,
  added: readonly Transport[],
  builtIn: BuiltIn,
): Promise<Transport> {
  const own = added.find((transport) => transport.schemes.includes(scheme));
  if (own !== undefined) return own;
  const load = Object.hasOwn(builtIn, scheme) ? builtIn[scheme] : undefined;
  if (load !== undefined) return load();
  const known = [...Object.keys(builtIn), ...added.flatMap((transport) => transport.schemes)];
  throw new UnknownTransportError(`no transport for "${scheme}:"; there are ${known.join(", ")}`);
}
