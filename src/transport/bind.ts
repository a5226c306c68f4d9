import { type AddressInfo, createServer, type ListenOptions, type Server } from "node:net";
import {
  AddressForbiddenError,
  AddressInUseError,
  AddressUnavailableError,
  InternalError,
  InvalidArgumentError,
  type MillraceError,
} from "../errors.js";
import { formatHost } from "./address.js";

/** The error class for why the operating system refuses to listen. */
export function listenError(
  cause: unknown,
  protocol: "TCP" | "UDP",
  address: string,
  port: number,
): MillraceError {
  const where = `${protocol} ${formatHost(address)}:${port}`;
  const code = (cause as NodeJS.ErrnoException).code;
  switch (code) {
    case "EADDRINUSE":
      return new AddressInUseError(`${where} is in use; stop the process that has it, or take another port`, {
        cause,
      });
    case "EACCES":
    case "EPERM":
      return new AddressForbiddenError(
        `this user may not listen on ${where}; take a port above 1023, or grant CAP_NET_BIND_SERVICE`,
        { cause },
      );
    case "EADDRNOTAVAIL":
    case "EINVAL":
    case "ENOTFOUND":
    case "EAFNOSUPPORT":
      return new AddressUnavailableError(`${address} is not an address of this machine; listen on one`, {
        cause,
      });
    default:
      return new InternalError(`listening on ${where} failed with ${code}`, { cause });
  }
}

/** What Node takes from 22.12 on, and its older types lack. */
interface SharedListenOptions extends ListenOptions {
  readonly reusePort: boolean;
}

/**
 * Listens on an address and port, which no other process of a cluster shares.
 * @param reusePort shares it with whoever else says so.
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError; InvalidArgumentError where the port is to be
 *   shared, and this Node cannot.
 */
export function bindServer(server: Server, address: string, port: number, reusePort = false): Promise<void> {
  if (reusePort) assertReusePort();
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(cause, "TCP", address, port));
    server.once("error", onError);
    const options: SharedListenOptions = { host: address, port, exclusive: true, reusePort };
    server.listen(options, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** Whether Node's servers can share a port. Older versions of Node take the option, and do nothing. */
export function canSharePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const knows = major >= 24 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  return knows && process.platform === "linux";
}

function assertReusePort(): void {
  if (canSharePort()) return;
  throw new InvalidArgumentError(
    `reusePort on tcp, tls and wss needs Node 22.12 or later on Linux, and this is ${process.version} on ${process.platform}; leave it out, and accept in one thread`,
  );
}

/**
 * Makes sure that a port can be listened on, by doing so for a moment with node:net, which says why it cannot.
 * @returns the port; a free one for 0.
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export function probePort(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => reject(listenError(cause, "TCP", address, port)));
    probe.listen({ host: address, port, exclusive: true }, () => {
      const bound = (probe.address() as AddressInfo).port;
      probe.close(); // gives the port back at once
      resolve(bound);
    });
  });
}
