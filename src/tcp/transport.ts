import { InvalidArgumentError } from "../errors.js";
import { formatHost, type TransportUrl } from "../transport/address.js";
import { canSharePort } from "../transport/bind.js";
import { loadServerCredential, type ServerCredential } from "../transport/credential.js";
import { checkDestination, resolveLocal } from "../transport/reachable.js";
import type { Transport, TransportListenOptions } from "../transport/transport.js";
import { connect } from "./client.js";
import { TcpListener } from "./listener.js";

/**
 * TCP by Node's own net and tls: frames one after the other, or lines. On `tls:` ALPN says which, and on `tcp:` the
 * client's first line.
 */
export const tcpTransport: Transport = {
  name: "tcp",
  schemes: ["tcp", "tls"],
  sharesPort: canSharePort,
  async listen(options, behaviour) {
    refusePath(options.url);
    const [[address], credential] = await Promise.all([
      resolveLocal(options.url.host),
      serverCredential(options),
    ]);
    return TcpListener.open({ options, address, credential, behaviour });
  },
  async connect(options, behaviour) {
    refusePath(options.url);
    checkDestination(options.url);
    return connect(options, behaviour);
  },
};

function refusePath({ scheme, host, port, path }: TransportUrl): void {
  if (path === "/") return;
  throw new InvalidArgumentError(`${scheme}://${formatHost(host)}:${port} has no path: leave "${path}" out`);
}

async function serverCredential({ url, tls }: TransportListenOptions): Promise<ServerCredential | undefined> {
  if (url.scheme === "tcp") return undefined;
  if (tls !== undefined) return loadServerCredential(tls);
  throw new InvalidArgumentError(
    `tls://${formatHost(url.host)}:${url.port} needs options.tls with certificate and privateKey`,
  );
}
