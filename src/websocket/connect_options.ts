import { InvalidArgumentError } from "../errors.js";
import type { TransportOptions } from "../transport/transport.js";

/**
 * Those of the names that a subprotocol can have, a token (RFC 6455 section 4.1), each once: the others are meant for
 * QUIC, whose ALPN takes any bytes.
 * @throws InvalidArgumentError where that leaves none of several.
 */
export function subprotocols(names: readonly string[]): readonly string[] {
  const tokens = [...new Set(names)].filter((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name));
  if (tokens.length > 0 || names.length === 0) return tokens;
  throw new InvalidArgumentError(
    `protocols has no name that a WebSocket's subprotocol can have, which is letters, digits and !#$%&'*+-.^_\`|~`,
  );
}

/** @throws InvalidArgumentError */
export function assertNoFrameTimeout({ frameTimeoutMs }: TransportOptions): void {
  if (frameTimeoutMs === undefined) return;
  throw new InvalidArgumentError(
    "frameTimeoutMs is for QUIC and TCP; WebSocket's libraries show whole messages only, so leave it out here",
  );
}
