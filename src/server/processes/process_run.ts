import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { WorkerFailedError } from "../../errors.js";
import type { TellSlotEvent } from "../workers/slot_events.js";
import type { WorkerInfo } from "../workers/worker_group.js";
import type { SlotEvent, SlotRun } from "../workers/worker_slot.js";
import type { NodeUrlList } from "./node_urls.js";
import type { ProcessCommand, ProcessReport, ProcessTask, WorkerReport } from "./protocol.js";
import { readThrown, type Thrown } from "./thrown.js";

/** How much longer than its deadline a process may take to end. */
const patienceMs = 3_000;

const entry = fileURLToPath(new URL("./process_entry.js", import.meta.url));

/** One process of a group, from its beginning to its end. */
export class ProcessRun implements SlotRun {
  readonly listening: Promise<readonly string[]>;
  readonly ended: Promise<unknown>;
  readonly #child: ChildProcess;
  #failure: WorkerFailedError | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  /** Called when it knows what it was told last. */
  #onTold: () => void = () => {};

  /** @param tellOfWorker is told what becomes of its threads. */
  constructor(task: ProcessTask, tellOfWorker: TellSlotEvent<[WorkerInfo]>) {
    this.#child = fork(entry, [], { serialization: "advanced" });
    this.ended = new Promise((resolve) => {
      this.#child.on("error", (cause) => {
        this.#fail(cause);
        if (this.#child.pid === undefined) resolve(this.#failure); // there is none whose end could be told
      });
      this.#child.once("exit", (code, signal) => {
        clearTimeout(this.#killTimer);
        resolve(this.#failure ?? endOf(code, signal));
      });
    });
    const listens = new Promise<readonly string[]>((resolve) => {
      this.#child.on("message", (report: ProcessReport) => {
        if (report.type === "listening") resolve(report.urls);
        else if (report.type === "told") this.#onTold();
        else if (report.type === "worker") tellOfWorker(eventOf(report), report.worker);
        else this.#fail(readThrown(report.cause));
      });
    });
    const ends = this.ended.then((cause) => {
      throw cause ?? new WorkerFailedError(`process ${task.node} ended before its server listened`);
    });
    this.listening = Promise.race([listens, ends]);
    this.listening.catch(() => {}); // who asks is told all the same
    this.#tell(task);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Tells it where all listen. @returns when it knows, or has ended. */
  async tellNodes(nodes: readonly NodeUrlList[]): Promise<void> {
    const told = new Promise<void>((resolve) => {
      this.#onTold = resolve;
    });
    this.#tell({ type: "nodes", nodes });
    await Promise.race([told, this.ended]);
  }

  async close(options: object, deadlineMs: number): Promise<void> {
    this.#tell({ type: "close", options });
    this.#killTimer ??= setTimeout(() => this.#child.kill("SIGKILL"), deadlineMs + patienceMs);
    await this.ended;
    clearTimeout(this.#killTimer); // it may have ended before
  }

  /** It notices by itself that nobody is at the other end. */
  endWithProcess(ended: Int32Array): void {
    Atomics.add(ended, 0, 1);
  }

  #tell(command: ProcessCommand): void {
    // One that is gone has its end told.
    if (this.#child.connected) this.#child.send(command, () => {});
  }

  #fail(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new WorkerFailedError(`a process could not be run: ${why}`, { cause });
  }
}

function eventOf({ event }: WorkerReport): SlotEvent {
  return event.type === "Restart" ? event : { ...event, cause: readThrown(event.cause as Thrown) };
}

/** Undefined where it ended as one that is done. */
function endOf(code: number | null, signal: NodeJS.Signals | null): WorkerFailedError | undefined {
  if (signal !== null) return new WorkerFailedError(`the process was ended by ${signal}`);
  return code === 0 ? undefined : new WorkerFailedError(`the process ended with code ${code}`);
}
