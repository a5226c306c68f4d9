/** What a server in a thread and the test whose handlers it has say to each other, over a BroadcastChannel. */
import type { ServerOptions } from "millrace/server";

/** What such a thread begins with. */
export interface FarData {
  readonly channel: string;
  readonly options: Partial<ServerOptions>;
  /** The handlers that the test has, and the subjects of its requests. */
  readonly handlers: readonly string[];
  readonly requests: readonly string[];
  /** Connections of each thread, by its number in `order`. */
  readonly connections: Int32Array<SharedArrayBuffer>;
  /** Counted up by each thread for its number. */
  readonly order: Int32Array<SharedArrayBuffer>;
}

/** A session, as far as it goes through a channel. */
export interface FarSession {
  readonly id: string;
  readonly clientId: string | undefined;
  readonly transport: string | undefined;
  readonly data: unknown;
}

/** A handler is to be called; with an id, its answer is awaited. */
export interface FarCall {
  readonly to: "test";
  readonly thread: number;
  readonly id: number;
  readonly handler: string;
  readonly session: FarSession | undefined;
  readonly args: readonly unknown[];
}

/** What it returned, or threw. */
export interface FarAnswer {
  readonly to: "thread";
  readonly thread: number;
  readonly id: number;
  readonly value?: unknown;
  readonly thrown?: { readonly message: string; readonly code: number | undefined };
}

/** What `authenticate` was asked, and said. */
export interface FarHello {
  readonly clientId: string | undefined;
  readonly token: Uint8Array;
  readonly tokenText: string;
  readonly resuming: boolean;
}

export interface FarVerdict {
  readonly data: unknown;
  readonly isRefused: boolean;
  readonly clientId: string | undefined;
}
