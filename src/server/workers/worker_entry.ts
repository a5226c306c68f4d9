/**
 * Where a worker thread of a group begins: it gets its place, and then runs the application's module as if that had
 * been begun alone. What goes wrong there is an uncaught exception, which ends the thread.
 */
import { parentPort } from "node:worker_threads";
import { enterGroup, type PlacedServer } from "../threads/group.js";
import type { WorkerCommand, WorkerReport, WorkerTask } from "./protocol.js";

parentPort!.once("message", (task: WorkerTask) => new WorkerEntry(task).begin());

class WorkerEntry {
  readonly #task: WorkerTask;
  #server: PlacedServer | undefined;

  constructor(task: WorkerTask) {
    this.#task = task;
  }

  begin(): void {
    const { port, module, group, boundUrls, acceptsAlone } = this.#task;
    port.on("message", (command: WorkerCommand) => this.#obey(command));
    enterGroup({ group, boundUrls, acceptsAlone, listens: (server) => this.#listens(server) });
    import(module).catch(throwLater);
  }

  #listens(server: PlacedServer): void {
    this.#server = server;
    const { urls, maxMessageBytes } = server;
    this.#task.port.postMessage({ type: "listening", urls, maxMessageBytes } satisfies WorkerReport);
  }

  #obey(command: WorkerCommand): void {
    if (command.type === "close") {
      this.#close(command.options).catch(throwLater);
      return;
    }
    const { ended } = command;
    // Behind those who close what would not bear the thread's end: they are told in the order in which they asked.
    if (ended !== undefined)
      process.once("exit", () => Atomics.notify(ended, 0, Atomics.add(ended, 0, 1) + 1));
    process.exit();
  }

  async #close(options: object): Promise<void> {
    await this.#server?.close(options);
    process.exit();
  }
}

/** Not as a promise's rejection, for which the application may have a handler. */
function throwLater(cause: unknown): void {
  setImmediate(() => {
    throw cause;
  });
}
