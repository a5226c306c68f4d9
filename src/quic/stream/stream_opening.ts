import {
  ConnectionClosedError,
  type MillraceError,
  type MillraceErrorOptions,
  ResourceExhaustedError,
  StreamClosedError,
  StreamLimitError,
} from "../../errors.js";
import { loadAddon } from "../../native/addon.js";
import { type WaitOptions, watchWait } from "../../transport/wait.js";
import { Promised } from "../promised.js";

/** Waits for the peer's leave to open a stream of ours, and no longer than the caller does. */
export class StreamOpening {
  /** Why it never opened. */
  failure: MillraceError | undefined;
  #settled = false;
  #promised: Promised<void> | undefined;
  #endWatch: (() => void) | undefined;

  get promise(): Promise<void> {
    if (this.#promised === undefined) {
      this.#promised = new Promised();
      if (this.#settled) this.#tell(this.#promised);
    }
    return this.#promised.promise;
  }

  /** @param cancel gives up the stream, for that reason. */
  watch(wait: WaitOptions, cancel: (error: MillraceError) => void): void {
    if (this.#settled) return;
    this.#endWatch = watchWait("opening a stream", wait, (error) => {
      this.#settle(error);
      cancel(error);
    });
  }

  accepted(): void {
    this.#settle(undefined);
  }

  /** The stream's end came first. */
  failed(error: MillraceError): void {
    this.#settle(error);
  }

  #settle(failure: MillraceError | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.failure = failure;
    this.#endWatch?.();
    if (this.#promised !== undefined) this.#tell(this.#promised);
  }

  #tell({ resolve, reject }: Promised<void>): void {
    if (this.failure === undefined) resolve();
    else reject(this.failure);
  }
}

/** Why a stream could not even be asked for, from msquic's status. */
export function openError(status: number): MillraceError {
  const { streamLimit, outOfMemory } = loadAddon().constants.status!;
  if (status === outOfMemory) return new ResourceExhaustedError("there is no memory for another stream");
  if (status === streamLimit) return startError(status);
  return new ConnectionClosedError("the connection is ending; open another one");
}

/** Why a stream could not be opened, from msquic's status. */
export function startError(status: number, options?: MillraceErrorOptions): MillraceError {
  if (status === loadAddon().constants.status!.streamLimit) {
    return new StreamLimitError("the peer allows no further stream for now; wait until one has closed");
  }
  return new StreamClosedError("the stream ended before the peer allowed it", options);
}
