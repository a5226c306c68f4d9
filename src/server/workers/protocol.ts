import type { MessagePort } from "node:worker_threads";
import type { Group } from "../threads/group.js";

/** The first message to a worker thread. */
export interface WorkerTask {
  readonly group: Group;
  /** The application's module. */
  readonly module: string;
  readonly boundUrls: readonly string[];
  readonly acceptsAlone: boolean;
  /** By which it is told what to do, and tells what became of it. */
  readonly port: MessagePort;
}

/** What a worker thread is told: to close its server, and end; or to end at once. */
export type WorkerCommand =
  | { readonly type: "close"; readonly options: object }
  | { readonly type: "exit"; readonly ended?: Int32Array };

/** What it tells: its server listens. That it has ended, everybody sees. */
export interface WorkerReport {
  readonly type: "listening";
  readonly urls: readonly string[];
  /** The longest message that it has published. */
  readonly maxMessageBytes: number;
}
