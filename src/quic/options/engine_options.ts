import { randomBytes } from "node:crypto";
import { EngineInUseError, InternalError, InvalidArgumentError } from "../../errors.js";
import { loadAddon } from "../../native/addon.js";
import { sharedEngine } from "../../native/engine.js";
import type { NativeEngineSettings } from "../../native/environment.js";
import { readOptions } from "../../options/read.js";
import { integer, object, oneOf, option, optional, withDefault } from "../../options/schema.js";
import { bounded, type WaitOptions } from "../../transport/wait.js";

/** What holds for all QUIC of this process, in whichever thread. What is left out stays as it is. */
export interface EngineOptions {
  /**
   * When a client must prove its address, by a round trip of its own, before a handshake gets memory (Retry, RFC 9000
   * section 8.1.2): `underLoad`, the default, while the handshakes in progress take more than `retryMemoryPercent`;
   * `always`; or `never`. Limits per address hold against spoofed sources only where it is asked for.
   */
  readonly retry?: "underLoad" | "always" | "never" | undefined;
  /**
   * How much of the machine's memory handshakes in progress may take before that is load: 0.002..100, each handshake
   * counted as 34 KB or so; 2 by default. For `underLoad` only.
   */
  readonly retryMemoryPercent?: number | undefined;
  /**
   * What seals Retry tokens: `key`, 32 bytes of good randomness, and `rotationMs`, 50..86,400,000, after which another
   * key is derived from it; a token holds for one to two rotations. Servers with the same key, rotation and clock take
   * each other's tokens. By default a key of the process's own and 30,000 ms. Set it before the first listener: tokens
   * of the rotation under way may still be sealed with the last key.
   */
  readonly retryTokens?:
    | { readonly key?: Uint8Array | undefined; readonly rotationMs?: number | undefined }
    | undefined;
  /**
   * What a load balancer finds in the connection ids of this process's listeners, so that a connection whose address
   * changes still comes here (draft-ietf-quic-load-balancers describes the idea; nothing is encrypted): `none`, the
   * default; `address`, the last four bytes of the listener's address; or an id of your own, 0..4,294,967,295. Bytes
   * 1..4 of each id carry it, the id as little-endian number; byte 0 is random. Ids then have 14 bytes instead of 9.
   */
  readonly loadBalancing?: "none" | "address" | { readonly serverId: number } | undefined;
}

const DEFAULT_RETRY_MEMORY_PERCENT = 2;
const DEFAULT_RETRY_ROTATION_MS = 30_000;
const RETRY_KEY_BYTES = 32;
/** msquic counts memory in 65,535ths of the machine's. */
const WHOLE_MEMORY = 65_535;

const schema = object({
  retry: optional(oneOf("underLoad", "always", "never")),
  retryMemoryPercent: optional(
    option<number>(
      "a number from 0.002 to 100",
      (value) => typeof value === "number" && value >= 0.002 && value <= 100,
    ),
  ),
  retryTokens: optional(
    object({
      key: optional(
        option<Uint8Array>(
          "a Uint8Array of 32 bytes",
          (value) => value instanceof Uint8Array && value.length === RETRY_KEY_BYTES,
        ),
      ),
      rotationMs: withDefault(integer(50, 86_400_000), DEFAULT_RETRY_ROTATION_MS),
    }),
  ),
  loadBalancing: optional(
    option<NonNullable<EngineOptions["loadBalancing"]>>(
      '"none", "address" or {serverId} with an integer from 0 to 4294967295',
      isLoadBalancing,
    ),
  ),
} satisfies Record<keyof EngineOptions, unknown>);

/**
 * Sets what holds for all QUIC of this process. `retry` may change at any time, `loadBalancing` only while the process
 * has neither listener nor connection.
 * @param wait bounds the wait; what was begun goes on.
 * @throws AbortedError, TimeoutError; InvalidArgumentError; EngineInUseError (ERR_MILLRACE_ENGINE_IN_USE), and nothing was set;
 *   AddonUnavailableError
 */
export async function configureEngine(options: EngineOptions, wait: WaitOptions = {}): Promise<void> {
  const settings = readEngineOptions(options);
  const { status } = await bounded("configuring the engine", wait, () => {
    const engine = sharedEngine();
    return engine.request((request) => engine.native.configureEngine(request, settings));
  });
  if (status === 0) return;
  const code = loadAddon().constants.status!;
  if (status === code.invalidState) {
    throw new EngineInUseError(
      "loadBalancing can be set only while the process has no QUIC listener and no connection; set it first",
    );
  }
  throw new InternalError(`msquic refused the engine's settings with status ${status}`);
}

function readEngineOptions(options: EngineOptions): NativeEngineSettings {
  const { retry, retryMemoryPercent, retryTokens, loadBalancing } = readOptions(schema, options);
  if (retryMemoryPercent !== undefined && retry !== undefined && retry !== "underLoad") {
    throw new InvalidArgumentError(
      `retryMemoryPercent goes with retry "underLoad" only, and not with "${retry}"`,
    );
  }
  const isOwnId = typeof loadBalancing === "object";
  return {
    retryMemoryLimit: retryMemoryLimit(retry, retryMemoryPercent),
    loadBalancing: isOwnId ? "serverId" : loadBalancing,
    serverId: isOwnId ? loadBalancing.serverId : undefined,
    retrySecret: retryTokens && (retryTokens.key ?? randomBytes(RETRY_KEY_BYTES)),
    retryRotationMs: retryTokens?.rotationMs,
  };
}

function retryMemoryLimit(
  retry: EngineOptions["retry"],
  percent: number | undefined,
): NativeEngineSettings["retryMemoryLimit"] {
  if (retry === undefined && percent === undefined) return undefined;
  if (retry === "always") return 0;
  if (retry === "never") return WHOLE_MEMORY;
  return Math.round(((percent ?? DEFAULT_RETRY_MEMORY_PERCENT) / 100) * WHOLE_MEMORY);
}

function isLoadBalancing(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === "none" || value === "address";
  const { serverId, ...rest } = value as { serverId?: unknown };
  const isId = Number.isInteger(serverId) && (serverId as number) >= 0 && (serverId as number) <= 0xffff_ffff;
  return isId && Object.keys(rest).length === 0;
}
