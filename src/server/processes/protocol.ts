import type { WorkersOptions } from "../workers/options.js";
import type { WorkerInfo } from "../workers/worker_group.js";
import type { SlotEvent } from "../workers/worker_slot.js";
import type { NodeUrlList } from "./node_urls.js";
import type { Thrown } from "./thrown.js";

/** What a process is begun with. */
export interface ProcessTask {
  readonly type: "begin";
  /** What it runs its threads with. */
  readonly workers: WorkersOptions;
  /** Its number, from 1 on. */
  readonly node: number;
  /** Shared by all: 32 bytes. */
  readonly secret: Uint8Array;
  /** Where it listened before, if it takes the place of one that has ended. */
  readonly boundUrls: readonly string[];
  readonly nodes: readonly NodeUrlList[];
}

/** What it is told. */
export type ProcessCommand =
  | ProcessTask
  | { readonly type: "nodes"; readonly nodes: readonly NodeUrlList[] }
  | { readonly type: "close"; readonly options: object };

/** What becomes of one of its threads: the event's cause is as it goes to another process, {@link Thrown}. */
export interface WorkerReport {
  readonly type: "worker";
  readonly worker: WorkerInfo;
  readonly event: SlotEvent;
}

/** What it tells: that it listens, or why it does not; that it knows where all listen; what becomes of its threads. */
export type ProcessReport =
  | { readonly type: "listening"; readonly urls: readonly string[] }
  | { readonly type: "told" }
  | { readonly type: "failed"; readonly cause: Thrown }
  | WorkerReport;
