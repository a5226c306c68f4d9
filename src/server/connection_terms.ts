import type { SessionCompression } from "../delivery/compression.js";
import type { Cursors } from "../delivery/cursors.js";
import type { Cursor } from "../topic/cursor.js";

/** What the client at a connection said of it. */
export interface ConnectionTerms {
  readonly windowBytes: number;
  readonly cursors: Cursors;
  /** The largest payload that it takes. */
  readonly maxMessageBytes: number;
  /** What both sides compress with on it. */
  readonly compression: SessionCompression | undefined;
  /** Of the resume token that it has now. */
  readonly counter: number;
  /** It promised to be heard of at least once a heartbeat. */
  readonly heartbeat: boolean;
}

/** The same, of one that takes a session up again. */
export interface ResumptionTerms extends ConnectionTerms {
  /** Of the resume token that its hello showed. */
  readonly shown: number;
  /** Of the welcomes that its session was promised by, which this was: see {@link ServerSession.welcomed}. */
  readonly order: number;
  /** What the client has of topics. */
  readonly places: ReadonlyMap<string, Cursor>;
}
