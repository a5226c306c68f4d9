import { AbortedError } from "../errors.js";
import { parseTransportUrl } from "../transport/address.js";
import type { Behaviour, Connection } from "./connection.js";
import { streamFraming } from "./control.js";
import { MessageBehaviour } from "./message_behaviour.js";
import { type ConnectOptions, checkBehaviour, readConnectOptions } from "./options.js";
import { transportOptions } from "./transport_options.js";
import { transportOf } from "./transports.js";

/**
 * Connects to a listener.
 * @param url `quic://host:port`, `ws://host:port/path` or `wss://…`, `tcp://host:port` or `tls://…`, or a scheme of
 *   `options.transports`.
 * @param behaviour without a `message` handler the connection is read as an async iterator.
 * @returns the open connection; `behaviour.open` has been called for it.
 * @throws InvalidArgumentError, UnknownTransportError
 * @throws ConnectionRefusedError, HandshakeTimeoutError, ProtocolMismatchError, CertificateUntrustedError and
 *   the other classes of `errors.ts` that a handshake can end with, within `handshakeTimeoutMs`
 * @throws AbortedError when `options.signal` was first
 */
export async function connect<Data = unknown>(
  url: string,
  behaviour: Behaviour<Data> = {},
  options: ConnectOptions = {},
): Promise<Connection<Data>> {
  checkBehaviour(behaviour);
  const read = readConnectOptions(options);
  const transportUrl = parseTransportUrl(url);
  const { signal, tls, transports } = read;
  const transport = await transportOf(transportUrl, transports);
  if (signal?.aborted) throw new AbortedError("connecting was aborted", { cause: signal.reason });
  const messages = new MessageBehaviour<Data>(behaviour, read);
  const connection = await transport.connect(
    { ...transportOptions(transport, read, streamFraming), url: transportUrl, tls, signal },
    messages,
  );
  return messages.of(connection);
}
