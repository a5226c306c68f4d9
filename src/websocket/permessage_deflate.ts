import type { PerMessageDeflateOptions } from "ws";

/** Shorter messages gain less than their compression costs. */
export const minDeflatedBytes = 1024;

/** How ws is told whether to negotiate permessage-deflate: without context takeover, so that no connection holds a window. */
export function deflate(wanted: boolean | undefined): PerMessageDeflateOptions | false {
  if (wanted !== true) return false;
  return { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: minDeflatedBytes };
}
