import { ConnectionLostError } from "../errors.js";
import type { CloseInfo } from "../transport/close.js";
import { eventError } from "../transport/event_error.js";

/** How a connection ends, from the moment that it begins to: what will be told of it, and until when it may take. */
export class Ending {
  #info: CloseInfo;
  #deadline: NodeJS.Timeout | undefined = undefined;
  /** What was queued was not to be sent. */
  #dropped = false;

  constructor(info: CloseInfo) {
    this.#info = info;
  }

  get info(): CloseInfo {
    return this.#info;
  }

  /** From now on nobody misses what was queued. */
  drop(): void {
    this.#dropped = true;
  }

  /** In place of any that it had. @param onMissed called where it takes longer. */
  setDeadline(deadlineMs: number, onMissed: () => void): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(onMissed, deadlineMs);
  }

  /** This side wanted to send all that was queued, and could not. */
  tellLoss(why: string): void {
    if (this.#info.by !== "local" || this.#info.error !== undefined || this.#dropped) return;
    this.#info = { ...this.#info, error: new ConnectionLostError(why) };
  }

  /** It has ended. */
  finish(): void {
    clearTimeout(this.#deadline);
  }
}

/** The transport's own end. */
export function lost(why: string, cause?: NodeJS.ErrnoException): CloseInfo {
  const error = eventError(() => new ConnectionLostError(why, { cause }));
  return { by: "transport", code: Math.abs(cause?.errno ?? 0), reason: "", error };
}

/** The peer is gone without a word. */
export function cutOff(): CloseInfo {
  return lost("the connection ended without a close frame");
}
