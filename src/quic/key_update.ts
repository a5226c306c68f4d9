import { InternalError } from "../errors.js";
import type { Engine, EngineResource } from "../native/engine.js";
import { readWait, type WaitOptions } from "../transport/wait.js";
import { requestPatiently } from "./patient_request.js";

/**
 * Has a connection send with new keys: when the peer has confirmed the handshake and the keys of the last update.
 * @throws InvalidArgumentError; ConnectionClosedError; AbortedError; TimeoutError
 */
export async function updateKeys(
  engine: Engine,
  { slot, generation }: EngineResource,
  options: WaitOptions = {},
): Promise<void> {
  const status = await requestPatiently(engine, readWait(options), {
    what: "changing the keys",
    awaited: "confirm the handshake, or the keys of the last update,",
    start: (request, timeoutMs) => engine.native.updateKeys(request, slot, generation, timeoutMs),
  });
  if (status !== 0) throw new InternalError(`msquic refused to change the keys with status ${status}`);
}
