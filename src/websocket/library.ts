import { AddonUnavailableError, InvalidArgumentError } from "../errors.js";
import type { ServerLibrary } from "./server.js";

let fallbackWarned = false;

/**
 * The library that serves. In TLS it is ws, for uWebSockets.js cuts well-behaved peers there (see
 * docs/decisions/websocket-libraries.md). Without TLS it is uWebSockets.js where it has a binary for this Node, else
 * ws; the environment variable MILLRACE_WEBSOCKET (`uws` or `ws`) names one.
 * @throws AddonUnavailableError when uWebSockets.js is asked for and cannot be loaded.
 */
export async function serverLibrary(scheme: string): Promise<ServerLibrary> {
  const asked = process.env.MILLRACE_WEBSOCKET ?? "";
  if (asked !== "" && asked !== "uws" && asked !== "ws") {
    throw new InvalidArgumentError(`MILLRACE_WEBSOCKET is "${asked}"; it must be "uws" or "ws"`);
  }
  if (asked !== "ws" && scheme !== "wss") {
    try {
      return (await import("./uws.js")).uwsLibrary;
    } catch (cause) {
      const what = `uWebSockets.js cannot be loaded on Node ${process.version} ${process.platform}-${process.arch}`;
      if (asked === "uws") {
        throw new AddonUnavailableError(`${what}; unset MILLRACE_WEBSOCKET to use the ws package`, { cause });
      }
      warnOfFallback(`${what}: WebSocket is served by the ws package instead, which is slower`);
    }
  }
  return (await import("./ws.js")).wsLibrary;
}

function warnOfFallback(message: string): void {
  if (fallbackWarned) return;
  fallbackWarned = true;
  process.emitWarning(message, { type: "MillraceWarning", code: "MILLRACE_WEBSOCKET_FALLBACK" });
}
