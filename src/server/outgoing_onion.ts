import type { Outgoing } from "../delivery/outbound.js";
import { Kind } from "../frame/frame.js";
import type { SendResult } from "../transport/connection.js";
import { layersOf, type Middleware, type OutgoingMessage, onion } from "./middleware.js";
import type { ServerSession } from "./server_session.js";

const kindNames: ReadonlyMap<number, OutgoingMessage["kind"]> = new Map([
  [Kind.Request, "request"],
  [Kind.Response, "response"],
  [Kind.Publish, "publish"],
]);

/** What middleware sees of what is sent, and all that it does not. */
interface Passing extends OutgoingMessage {
  readonly whole: Outgoing;
}

/** The layers around what is sent; undefined where there are none, so that nothing is paid for them. */
export function outgoingOnion<Data>(
  middleware: readonly Middleware<Data>[],
): ((session: ServerSession<Data>, message: Outgoing) => SendResult) | undefined {
  const layers = layersOf(middleware, "outgoing").map(
    (layer) => (session: ServerSession<Data>, passing: Passing, next: () => SendResult | undefined) =>
      layer(session, passing, next as () => SendResult) ?? "dropped",
  );
  if (layers.length === 0) return undefined;
  const through = onion(layers, (session: ServerSession<Data>, { whole, payload }: Passing) =>
    session.sendDirectly({ ...whole, payload }),
  );
  return (session, whole) => {
    const { kind, type, subject, payload } = whole;
    return through(session, { kind: kindNames.get(kind) ?? "message", type, subject, payload, whole });
  };
}
