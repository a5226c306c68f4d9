import type { Message } from "../delivery/message.js";

/** What a request handler sees; its bytes are its own. */
export interface ServerRequest extends Omit<Message, "confirm" | "reject"> {
  readonly subject: string;
  /** Fires when nobody waits for the answer any more: the session is over, or the handler has used up its time. */
  readonly signal: AbortSignal;
}
