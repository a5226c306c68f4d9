import type { MillraceError } from "../errors.js";

/**
 * An error that tells what the network did: its stack would be the event loop's alone, and takes longer to write down
 * than all else that the end of a connection does.
 */
export function eventError(make: () => MillraceError): MillraceError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
