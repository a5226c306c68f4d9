import { Answering } from "./answering.js";
import type { FetchDocument } from "./discovery.js";
import { Linger } from "./linger.js";
import { Moves } from "./moves.js";
import { type MakeRoutes, routesBy } from "./routes.js";
import { Topics } from "./topics.js";

/** What not every session needs: see {@link Part}. */
export interface Extras {
  /** Where there may be several ways to the server. */
  readonly makeRoutes: MakeRoutes;
  /** Where topics are subscribed to or published in. */
  readonly Topics: typeof Topics;
  /** Where the session goes over to another connection while it has one, or where it is told to. */
  readonly Moves: typeof Moves;
  /** Where the server's requests have a handler. */
  readonly Answering: typeof Answering;
  /** Where small messages wait for others. */
  readonly Linger: typeof Linger;
}

/** All of it, where documents are fetched so. */
export function extrasWith(fetchDocument: FetchDocument): Extras {
  return { makeRoutes: routesBy(fetchDocument), Topics, Moves, Answering, Linger };
}
