import {
  HandshakeFailedError,
  InvalidArgumentError,
  type MillraceError,
  ProtocolMismatchError,
} from "../errors.js";
import { watchAbort } from "../transport/abort_watch.js";
import { formatHost } from "../transport/address.js";
import { connectTimedOut } from "../transport/connect_error.js";
import type { Transport, TransportConnectOptions } from "../transport/transport.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import type { WebSocketBehaviour } from "./behaviour.js";
import { BrowserConnection, type PageSocket } from "./browser_connection.js";
import { assertNoFrameTimeout, subprotocols } from "./connect_options.js";
import { WebSocketContext } from "./context.js";

/** WebSocket as a page in a browser has it: clients only, and TLS is the browser's business. */
export const browserTransport: Transport = {
  name: "websocket",
  schemes: ["ws", "wss"],
  async listen() {
    throw new InvalidArgumentError("a page in a browser cannot listen");
  },
  async connect(options, behaviour) {
    assertNoFrameTimeout(options);
    if (options.tls !== undefined) {
      throw new InvalidArgumentError("a browser decides itself whom it trusts: leave tls out");
    }
    throwIfAborted("connecting", options.signal);
    const offered = { ...options, protocols: subprotocols(options.protocols) };
    return new Promise((resolve, reject) => open(offered, behaviour, resolve, reject));
  },
};

/** The opening handshake, from the socket's creation until it is a connection or an error. */
function open(
  options: TransportConnectOptions,
  behaviour: WebSocketBehaviour,
  resolve: (connection: BrowserConnection) => void,
  reject: (error: MillraceError) => void,
): void {
  const { url, protocols, handshakeTimeoutMs, signal } = options;
  const target = `${url.scheme}://${formatHost(url.host)}:${url.port}`;
  const socket = createSocket(target + url.path, protocols);
  const end = () => {
    clearTimeout(timer);
    unwatch();
    socket.onopen = null;
    socket.onclose = null;
  };
  const fail = (error: MillraceError) => {
    end();
    socket.close();
    reject(error);
  };
  const timer = setTimeout(() => fail(connectTimedOut(target, handshakeTimeoutMs)), handshakeTimeoutMs);
  const unwatch = watchAbort(signal, () => fail(abortedError("connecting", signal)));
  socket.binaryType = "arraybuffer";
  socket.onerror = () => {}; // `close` follows, and neither says why
  socket.onclose = () => {
    fail(
      new HandshakeFailedError(`${target} cannot be reached, or refuses: the browser's console may say why`),
    );
  };
  socket.onopen = () => {
    const { protocol } = socket;
    if (protocols.length > 0 && !protocols.includes(protocol)) {
      fail(
        new ProtocolMismatchError(`${target} chose subprotocol "${protocol}", not ${protocols.join(", ")}`),
      );
      return;
    }
    end();
    const opening = { protocol, origin: undefined, path: url.path };
    resolve(new BrowserConnection(new WebSocketContext(options, behaviour, false), socket, opening));
  };
}

function createSocket(url: string, protocols: readonly string[]): PageSocket {
  const { WebSocket } = globalThis as unknown as {
    WebSocket: new (url: string, protocols: readonly string[]) => PageSocket;
  };
  try {
    return new WebSocket(url, [...protocols]);
  } catch (cause) {
    throw new InvalidArgumentError(`${url}: ${(cause as Error).message}`, { cause });
  }
}
