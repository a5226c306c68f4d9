import { CodecCarrier } from "../frame/codec_carrier.js";
import { streamFraming } from "../frame/control.js";
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
  /** Where the application has transports of its own, and they have streams. */
  readonly streamFraming: typeof streamFraming;
  /** Where it has codecs of its own. */
  readonly CodecCarrier: typeof CodecCarrier;
  /** Where small messages wait for others. */
  readonly Linger: typeof Linger;
}

/** All of it, where documents are fetched so. */
export function extrasWith(fetchDocument: FetchDocument): Extras {
  return {
    makeRoutes: routesBy(fetchDocument),
    Topics,
    Moves,
    Answering,
    streamFraming,
    CodecCarrier,
    Linger,
  };
}
