import { callGuarded, callReported, throwUncaught } from "../transport/uncaught.js";
import type { Behaviour, Connection } from "./connection.js";

/** The handlers that are called for a connection. */
type Handler = "open" | "message" | "drain" | "close";

/** Calls a handler, if there is one, so that nothing it throws or rejects with reaches the caller. */
export function callHandler<Data, Name extends Handler>(
  behaviour: Behaviour<Data>,
  name: Name,
  ...args: Parameters<NonNullable<Behaviour<Data>[Name]>>
): void {
  const handler = behaviour[name] as ((...args: unknown[]) => unknown) | undefined;
  if (handler === undefined) return;
  const [connection] = args;
  callReported(
    () => handler.apply(behaviour, args),
    (cause) => reportError(behaviour, connection, cause),
  );
}

/** Takes what a handler returned: a promise of an asynchronous one must not reject unheard. */
export function reportRejection<Data>(
  behaviour: Behaviour<Data>,
  connection: Connection<Data>,
  returned: unknown,
): void {
  if (returned instanceof Promise) {
    returned.then(undefined, (cause) => reportError(behaviour, connection, cause));
  }
}

/** Gives an error to the application, and to the process where the application does not want it. */
export function reportError<Data>(
  behaviour: Behaviour<Data>,
  connection: Connection<Data> | undefined,
  cause: unknown,
): void {
  if (behaviour.error === undefined) throwUncaught(cause);
  else callGuarded(() => behaviour.error!(connection, cause));
}
