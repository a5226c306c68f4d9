import { type AddressInfo, createServer, type Server } from "node:net";
import {
  AddressForbiddenError,
  AddressInUseError,
  AddressUnavailableError,
  InternalError,
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

/**
 * Listens on an address and port, which no other process of a cluster shares.
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export function bindServer(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(cause, "TCP", address, port));
    server.once("error", onError);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off("error", onError);
      resolve();
    });
  });
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
