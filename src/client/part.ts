import { ConnectionLostError } from "../errors.js";
import { within } from "../transport/wait.js";

/**
 * What is not needed to connect, or not by every session. In Node.js it is there from the start; a page, which pays for
 * each kilobyte before it can connect, loads it when something asks for it.
 */
export interface Part<T> {
  /** Undefined until it has been loaded. */
  readonly here: T | undefined;
  /** @throws ConnectionLostError where the page's server does not give it; it may be asked again. */
  load(): Promise<T>;
}

/** One that is there. */
export function present<T>(here: T): Part<T> {
  return { here, load: async () => here };
}

/** One that is loaded at need, by `import()`. */
export function atNeed<T>(load: () => Promise<T>): Part<T> {
  let here: T | undefined;
  /** Of all who wait: browsers do not settle several `import()` of one module in their order. */
  let loading: Promise<T> | undefined;
  const begin = async () => {
    here = await load();
    return here;
  };
  const fail = (cause: unknown): never => {
    loading = undefined;
    throw new ConnectionLostError("a part of millrace/client could not be loaded", { cause });
  };
  return {
    get here() {
      return here;
    },
    load() {
      loading ??= begin().catch(fail);
      return loading;
    },
  };
}

/**
 * Loads a part, where that takes no longer.
 * @throws ConnectionLostError; TimeoutError, AbortedError
 */
export function loadWithin<T>(part: Part<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
  return within(part.load(), "loading a part of millrace/client", { signal, timeoutMs });
}
