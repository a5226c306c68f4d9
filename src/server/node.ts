import type { Hello } from "../delivery/hello.js";
import { RejectCode } from "../delivery/reject.js";
import { nodeOfToken } from "../delivery/resume_token.js";
import { readOptions } from "../options/read.js";
import { integer, object, option, optional } from "../options/schema.js";
import type { TransportConnection } from "../transport/connection.js";
import { type Refusal, refuse } from "./refusal.js";

/** Where a client is connected: what tells at which of another server's URLs it would be in the same way. */
export type ConnectedAt = Pick<TransportConnection, "transport" | "localAddress">;

/** Which server this is among those that take each other's resume tokens: processes, or machines. */
export interface NodeOptions {
  /** Its number among them, which stays when it is begun anew; 0..2^32 - 1. */
  readonly number: number;
  /** 32 random bytes, the same for all of them and known to nobody else: who has them can take over any session. */
  readonly secret: Uint8Array;
  /**
   * Where clients reach another of them: a URL. One that takes up a session of that server is sent there, with
   * `RejectCode.elsewhere`. Undefined where that server is not known, or is gone: the client begins anew here.
   */
  readonly targetOf?: ((node: number, at: ConnectedAt) => string | undefined) | undefined;
}

const secretBytes = 32;

const schema = object({
  number: integer(0, 0xffff_ffff),
  secret: option<Uint8Array>(
    `a Uint8Array of ${secretBytes} bytes`,
    (value) => value instanceof Uint8Array && value.length === secretBytes,
  ),
  targetOf: optional(
    option<NonNullable<NodeOptions["targetOf"]>>("a function", (value) => typeof value === "function"),
  ),
} satisfies Record<keyof NodeOptions, unknown>);

/** @throws InvalidArgumentError */
export function readNodeOptions(given: NodeOptions): NodeOptions {
  const { number, secret, targetOf } = readOptions(schema, given, "node", "node.");
  return { number, secret: new Uint8Array(secret), targetOf };
}

/** What a server knows of those that take each other's tokens. */
export class Nodes {
  /** This server's own. */
  readonly number: number;
  readonly secret: Uint8Array;
  readonly #targetOf: NonNullable<NodeOptions["targetOf"]>;
  readonly #report: (cause: unknown) => void;

  /** @param report is told what `targetOf` throws. */
  constructor({ number, secret, targetOf = () => undefined }: NodeOptions, report: (cause: unknown) => void) {
    this.number = number;
    this.secret = secret;
    this.#targetOf = targetOf;
    this.#report = report;
  }

  /**
   * Sends a client on that takes up a session of another server. The token only says where to ask: it is checked there.
   * @returns undefined where this server is to judge it.
   */
  refusalOf({ resumption }: Pick<Hello, "resumption">, at: ConnectedAt): Refusal | undefined {
    const node = resumption && nodeOfToken(resumption.resume);
    if (node === undefined || node === this.number) return undefined;
    try {
      const target = this.#targetOf(node, at);
      if (target === undefined) return undefined;
      return refuse("the session is another server's", { code: RejectCode.elsewhere, target });
    } catch (cause) {
      this.#report(cause);
      return undefined;
    }
  }
}
