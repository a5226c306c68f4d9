import { ConnectionClosedError, TimeoutError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { Engine } from "../native/engine.js";
import { throwIfAborted, type WaitOptions, within } from "../transport/wait.js";

/** What waits for the peer is waited for so long, where the caller does not say. It comes within round trips. */
const PATIENCE_MS = 10_000;

/** A request to the engine that it can carry out only when the peer has done something. */
export interface PatientRequest {
  /** In the words of an error: "changing the keys". */
  readonly what: string;
  /** What the peer did not do, where the time is over: "confirm the handshake". */
  readonly awaited: string;
  start(request: number, timeoutMs: number): void;
}

/**
 * Carries it out, as long as the caller's patience lasts.
 * @returns msquic's status: 0, or why it is not possible at all.
 * @throws ConnectionClosedError; AbortedError; TimeoutError
 */
export async function requestPatiently(
  engine: Engine,
  { signal, timeoutMs = PATIENCE_MS }: WaitOptions,
  { what, awaited, start }: PatientRequest,
): Promise<number> {
  throwIfAborted(what, signal);
  const done = engine.request((request) => start(request, timeoutMs));
  const { status } = await within(done, what, { signal });
  const code = loadAddon().constants.status!;
  if (status === code.aborted) {
    throw new ConnectionClosedError(`the connection has ended; it is too late for ${what}`);
  }
  if (status === code.connectionTimeout) {
    throw new TimeoutError(`the peer did not ${awaited} within ${timeoutMs} ms`);
  }
  return status;
}
