/** What a test and the threads that have its servers say to each other. */
import type { MessagePort } from "node:worker_threads";
import type { Compression, ServerOptions } from "millrace/server";
import type { Group } from "#internal/server/threads/group.js";

/** What such a thread begins with. */
export interface FarData {
  readonly port: MessagePort;
  /** Counted up, and notified, when the thread has said something: by that the test waits for it. */
  readonly said: Int32Array<SharedArrayBuffer>;
  /** The same of the test, for this thread alone: and how many of its calls were made. */
  readonly heard: Int32Array<SharedArrayBuffer>;
}

/** In `FarData.heard`. */
export const HeardWord = { changes: 0, calls: 1 } as const;

/** Make a server, known by a number. */
export interface FarServe {
  readonly type: "serve";
  readonly id: number;
  readonly server: number;
  readonly group: Group;
  readonly boundUrls: readonly string[];
  readonly acceptsAlone: boolean;
  readonly options: Partial<ServerOptions> & Pick<ServerOptions, "listen">;
  /** The handlers that the test has: which of them are asynchronous. */
  readonly handlers: Readonly<Record<string, boolean>>;
  readonly requests: Readonly<Record<string, boolean>>;
  /** The durability of the test's store. */
  readonly store: string | undefined;
  /** Whether the test has middleware for what comes in. */
  readonly incoming: boolean;
  /** What the test compresses by, without dictionaries. */
  readonly compression: readonly Compression[] | undefined;
}

/** Whose member is meant: the server, one of its sessions by id, or a message by number. */
export type FarTarget = "server" | { readonly session: string } | { readonly message: number };

/** Read a member, or call it. */
export interface FarUse {
  readonly type: "use";
  readonly id: number;
  readonly server: number;
  readonly target: FarTarget;
  readonly member: string;
  /** Undefined where it is to be read. */
  readonly args: readonly unknown[] | undefined;
}

/** What came of what the other side asked for. */
export interface FarAnswer {
  readonly type: "answer";
  readonly id: number;
  readonly value?: unknown;
  readonly thrown?: FarError;
}

export interface FarError {
  readonly name: string;
  readonly message: string;
  readonly code: unknown;
}

/** To a thread. */
export type ToThread =
  | FarServe
  | FarUse
  | FarAnswer
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "still"; readonly ms: number }
  | { readonly type: "exit" };

/** To the test: a handler is to be called; with an id, its answer is awaited. */
export interface FarCall {
  readonly type: "call";
  readonly id: number;
  readonly server: number;
  readonly handler: string;
  readonly session: FarSession | undefined;
  readonly args: readonly unknown[];
}

export type ToTest = FarCall | FarAnswer;

/** A session, as far as it goes to another thread. */
export interface FarSession {
  readonly far: "session";
  readonly id: string;
  readonly clientId: string | undefined;
  readonly data: unknown;
}

/** What `authenticate` said. */
export interface FarVerdict {
  readonly data: unknown;
  readonly refusal: { readonly reason: string; readonly options: object } | undefined;
  readonly clientId: string | undefined;
}

/** What can be cloned of a value: without functions, promises, and views of memory that is not its own. */
export function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Uint8Array.from(value as Uint8Array);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, plain(each)]));
  if (value instanceof Error) return { far: "error", ...errorOf(value) };
  if (typeof value === "function" || value instanceof Promise) return undefined;
  if (typeof value !== "object" || value === null) return value;
  const names = new Set(Object.keys(value));
  const kind = Object.getPrototypeOf(value) as object | null;
  // Views have their members by their class.
  if (kind !== null && kind !== Object.prototype) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(kind))) {
      if (get !== undefined) names.add(name);
    }
  }
  return Object.fromEntries(
    [...names].map((name) => [name, plain((value as Record<string, unknown>)[name])]),
  );
}

export function errorOf(cause: unknown): FarError {
  if (!(cause instanceof Error)) return { name: "Error", message: String(cause), code: undefined };
  return { name: cause.name, message: cause.message, code: (cause as { code?: unknown }).code };
}
