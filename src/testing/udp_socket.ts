import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import {
  AddressForbiddenError,
  AddressInUseError,
  AddressUnavailableError,
  InternalError,
  type MillraceError,
} from "../errors.js";
import { formatHost } from "../transport/address.js";

/** What the kernel may hold for us while the event loop is busy; it gives what `net.core.rmem_max` allows. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * A UDP socket that takes addresses, and no names, to send to; sends that come before it is bound wait for that.
 * @param address numeric.
 */
export function udpSocket(address: string): Socket {
  const type = isIPv6(address) ? "udp6" : "udp4";
  return createSocket({
    type,
    recvBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
    // Node's own takes a turn of the event loop for each datagram.
    lookup: (host, _options, callback) => callback(null, host, type === "udp6" ? 6 : 4),
  });
}

/**
 * Binds a socket.
 * @throws AddressInUseError, AddressForbiddenError, AddressUnavailableError
 */
export function bindSocket(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: unknown) => reject(bindError(cause, address, port));
    socket.once("error", onError);
    socket.bind({ address, port }, () => {
      socket.off("error", onError);
      resolve();
    });
  });
}

function bindError(cause: unknown, address: string, port: number): MillraceError {
  const where = `UDP ${formatHost(address)}:${port}`;
  const { code } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "EADDRINUSE":
      return new AddressInUseError(`${where} is taken by another socket; take port 0`, { cause });
    case "EACCES":
    case "EPERM":
      return new AddressForbiddenError(`this user may not bind ${where}; take a port above 1023`, { cause });
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
      return new AddressUnavailableError(`${where} is not an address of this machine`, { cause });
    default:
      return new InternalError(`binding ${where} failed with ${code}`, { cause });
  }
}
