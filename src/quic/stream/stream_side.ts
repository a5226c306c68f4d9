import type { MillraceError } from "../../errors.js";
import type { Engine } from "../../native/engine.js";
import type { NativeConnectionOptions } from "../../native/environment.js";
import type { NativeTarget } from "../../native/outbox.js";
import type { QuicBehaviour } from "../behaviour.js";
import type { QuicConnection } from "../connection.js";
import type { QuicStream } from "./stream.js";

/** What a stream needs of its connection. */
export interface StreamHost extends QuicConnection {
  readonly behaviour: QuicBehaviour;
  readonly options: NativeConnectionOptions;
  /** Runs a handler, of a stream where it is about one; what it throws is the application's. */
  call(handler: () => unknown, stream?: QuicStream): void;
  /** Takes what a handler returned: a promise of an asynchronous one must not reject unheard. */
  heed(returned: unknown, stream?: QuicStream): void;
  report(cause: unknown, stream?: QuicStream): void;
  /** Why the connection has ended, once it has; undefined where an application closed it. */
  readonly closeError: MillraceError | undefined;
  /** Of a stream that ended with its connection: goes on with its end when the connection's has come. */
  awaitClose(stream: NativeTarget, end: () => void): void;
  /** A stream whose last event came, and whose bytes are not all read: it keeps its place until then. */
  linger(stream: NativeTarget): void;
  /** The stream lets go of its place. */
  letGo(stream: NativeTarget): void;
}

/** What the halves of a stream share. */
export interface SideHost extends QuicStream, NativeTarget {
  readonly connection: StreamHost;
  readonly engine: Engine;
  /** The engine has said its last word on the stream. */
  readonly ended: boolean;
  /** Everything that came was read. */
  onAllRead(): void;
}
