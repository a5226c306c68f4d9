import { ConnectionClosedError, InternalError, TimeoutError } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import type { Engine, EngineResource } from "../native/engine.js";
import { readOptions } from "../options/read.js";
import { object } from "../options/schema.js";
import { throwIfAborted, type WaitOptions, waitOptions, within } from "../transport/wait.js";

/** The peer confirms the handshake, and the keys of the last update, within a round trip. */
const PATIENCE_MS = 10_000;
const WHAT = "changing the keys";

const schema = object(waitOptions);

/**
 * Has a connection send with new keys.
 * @throws InvalidArgumentError; ConnectionClosedError; AbortedError; TimeoutError
 */
export async function updateKeys(
  engine: Engine,
  connection: EngineResource,
  options: WaitOptions = {},
): Promise<void> {
  const { signal, timeoutMs = PATIENCE_MS } = readOptions(schema, options);
  throwIfAborted(WHAT, signal);
  const update = engine.request((request) => {
    engine.native.updateKeys(request, connection.slot, connection.generation, timeoutMs);
  });
  const { status } = await within(update, WHAT, { signal });
  const code = loadAddon().constants.status!;
  switch (status) {
    case 0:
      return;
    case code.aborted:
      throw new ConnectionClosedError("the connection has ended; its keys cannot change any more");
    case code.connectionTimeout:
      throw new TimeoutError(
        `the peer did not confirm the handshake, or the keys of the last update, within ${timeoutMs} ms`,
      );
    default:
      throw new InternalError(`msquic refused to change the keys with status ${status}`);
  }
}
