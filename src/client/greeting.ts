import { compressionIds } from "../delivery/compression.js";
import type { Hello } from "../delivery/hello.js";
import { sessionVersion } from "../delivery/terms.js";
import type { ReadClientOptions } from "./options.js";

/** What a client says of itself, but for its token. @param resumption of the session that it takes up. */
export function greetingOf(
  { clientId, meta, heartbeatMs, windowBytes, maxMessageBytes, compression }: ReadClientOptions,
  resumption: Hello["resumption"],
): Omit<Hello, "token"> {
  return {
    ...{ version: sessionVersion, clientId, resumption },
    ...{ meta, heartbeatMs, windowBytes, maxMessageBytes, compressions: compressionIds(compression) },
  };
}
