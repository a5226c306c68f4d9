import { HandlerTimeoutError, StoreFailedError } from "../errors.js";
import { callGuarded, callReported, throwUncaught } from "../transport/uncaught.js";
import type { ServerBehaviour } from "./behaviour.js";
import { hookNames, type Plugin, type PluginHooks } from "./plugin.js";
import type { ServerSession } from "./server_session.js";

/** The handlers of events that nobody waits for. */
export type EventName = Exclude<(typeof hookNames)[number], "error">;

/** Calls the application's handlers, and before them those of plugins. Nothing that they throw reaches who calls. */
export class Handlers<Data> {
  readonly #behaviours: readonly PluginHooks<Data>[];
  /** What the application does at each event; undefined where nobody does anything. */
  readonly #used: ReadonlySet<string>;

  constructor(behaviour: ServerBehaviour<Data>, plugins: readonly Plugin<Data>[]) {
    this.#behaviours = [...plugins.flatMap(({ hooks }) => (hooks === undefined ? [] : [hooks])), behaviour];
    this.#used = new Set(
      hookNames.filter((name) => this.#behaviours.some((hooks) => hooks[name] !== undefined)),
    );
  }

  /** @param session undefined where the event is the server's. */
  call(name: EventName, session: ServerSession<Data> | undefined, ...args: unknown[]): void {
    if (!this.#used.has(name)) return;
    for (const hooks of this.#behaviours) {
      const handler = hooks[name] as ((...args: unknown[]) => unknown) | undefined;
      if (handler === undefined) continue;
      callReported(
        () => (session === undefined ? handler.apply(hooks, args) : handler.call(hooks, session, ...args)),
        (cause) => this.report(session, cause),
      );
    }
  }

  /** Calls what is nobody's handler, and reports what it throws or rejects with. */
  tell(call: () => unknown): void {
    callReported(call, (cause) => this.report(undefined, cause));
  }

  /** What a handler returned: a promise must not reject unheard. */
  watch(session: ServerSession<Data> | undefined, returned: unknown): void {
    if (returned instanceof Promise) returned.then(undefined, (cause) => this.report(session, cause));
  }

  /** Tells the application what its handler threw, and the process where the application does not want it. */
  report(session: ServerSession<Data> | undefined, cause: unknown): void {
    session?.countError();
    const reporters = this.#behaviours.filter((hooks) => hooks.error !== undefined);
    // One that took too long is no fault of the program's that has to end it, and a store is none of the program at all.
    const isFault = !(cause instanceof HandlerTimeoutError || cause instanceof StoreFailedError);
    if (reporters.length === 0 && isFault) throwUncaught(cause);
    for (const hooks of reporters) callGuarded(() => hooks.error!(session, cause));
  }
}
