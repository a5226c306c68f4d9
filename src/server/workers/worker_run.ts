import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { WorkerFailedError } from "../../errors.js";
import type { WorkerCommand, WorkerReport, WorkerTask } from "./protocol.js";
import type { SlotRun } from "./worker_slot.js";

/** What one thread is begun with. */
export interface RunRequest {
  readonly task: Omit<WorkerTask, "port">;
  /** By which the operating system's tools and errors know it. */
  readonly name: string;
  readonly workerData: unknown;
  readonly startTimeoutMs: number;
}

/** After so long a thread that was told to end is ended. */
const patienceMs = 1_000;

const entry = new URL("./worker_entry.js", import.meta.url);

/** One thread of a group, from its beginning to its end. */
export class WorkerRun implements SlotRun {
  /** The URLs of its server. @throws WorkerFailedError when it has ended without. */
  readonly listening: Promise<readonly string[]>;
  /** Resolves when it has ended, with why: what it threw, or undefined. */
  readonly ended: Promise<unknown>;
  /** Of its server; 0 until that listens. */
  maxMessageBytes = 0;
  readonly #request: RunRequest;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #startTimer: NodeJS.Timeout;
  #cause: unknown;
  #isLate = false;
  #endTimer: NodeJS.Timeout | undefined;

  constructor(request: RunRequest) {
    this.#request = request;
    const { port1, port2 } = new MessageChannel();
    const { name, workerData, startTimeoutMs, task } = request;
    this.#port = port1;
    this.#worker = new Worker(entry, { name, workerData });
    this.#worker.postMessage({ ...task, port: port2 } satisfies WorkerTask, [port2]);
    this.#worker.on("error", (cause) => {
      this.#cause ??= cause;
    });
    const listens = new Promise<readonly string[]>((resolve) => {
      port1.on("message", (report: WorkerReport) => resolve(this.#listens(report)));
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        // That it listened may come behind its end, on a busy machine: between a port and a thread there is no order.
        const last: { message: WorkerReport } | undefined = receiveMessageOnPort(port1);
        if (last !== undefined) port1.emit("message", last.message);
        clearTimeout(this.#startTimer);
        clearTimeout(this.#endTimer);
        port1.close();
        resolve(this.#cause);
      });
    });
    this.listening = Promise.race([listens, this.ended.then(() => Promise.reject(this.#startFailure()))]);
    this.listening.catch(() => {}); // who asks is told all the same
    this.#startTimer = setTimeout(() => {
      this.#isLate = true;
      this.end();
    }, startTimeoutMs);
  }

  /** Tells it to close its server, and waits until it has ended; for as long as that may take, and some. */
  async close(options: object, deadlineMs: number): Promise<void> {
    this.#tell({ type: "close", options });
    this.#endTimer ??= setTimeout(() => this.end(), deadlineMs + patienceMs);
    await this.ended;
    clearTimeout(this.#endTimer); // it may have ended before
  }

  /** Tells it to end at once; if it does not, it is ended. */
  end(): void {
    this.#tell({ type: "exit" });
    clearTimeout(this.#endTimer);
    this.#endTimer = setTimeout(() => void this.#worker.terminate(), patienceMs);
  }

  /** The process ends, and this thread before it. @param ended its first word is counted up when it does. */
  endWithProcess(ended: Int32Array): void {
    this.#tell({ type: "exit", ended });
  }

  #listens({ urls, maxMessageBytes }: WorkerReport): readonly string[] {
    clearTimeout(this.#startTimer);
    this.maxMessageBytes = maxMessageBytes;
    return urls;
  }

  #tell(command: WorkerCommand): void {
    this.#port.postMessage(command);
  }

  #startFailure(): WorkerFailedError {
    const { task, name, startTimeoutMs } = this.#request;
    if (this.#isLate) {
      return new WorkerFailedError(
        `${task.module} made no server within ${startTimeoutMs} ms (startTimeoutMs): it has to call createServer`,
      );
    }
    const cause = this.#cause;
    const why = cause instanceof Error ? cause.message : "it ended before its server listened";
    return new WorkerFailedError(`${name} could not run ${task.module}: ${why}`, { cause });
  }
}
