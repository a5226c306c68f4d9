/**
 * Where a process of a group begins: it runs the application's module in its threads, under its own number. It ends when
 * it is told to, when the operating system asks it to by SIGTERM, and when the process that began it is gone.
 */
import type { ShutdownOptions } from "../shutdown.js";
import { runWorkers } from "../workers/start_workers.js";
import type { WorkerGroup, WorkerInfo } from "../workers/worker_group.js";
import type { SlotEvent } from "../workers/worker_slot.js";
import { NodeUrls } from "./node_urls.js";
import type { ProcessCommand, ProcessReport, ProcessTask } from "./protocol.js";
import { describeThrown } from "./thrown.js";

class ProcessEntry {
  readonly #urls = new NodeUrls();
  #group: Promise<WorkerGroup> | undefined;
  #isEnding = false;

  obey(command: ProcessCommand): void {
    if (command.type === "begin") void this.#begin(command);
    else if (command.type === "nodes") {
      this.#urls.write(command.nodes);
      tell({ type: "told" });
    } else this.end(command.options);
  }

  /** Once. */
  end(options: ShutdownOptions): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const closed = this.#group?.then((group) => group.close(options));
    void Promise.resolve(closed).then(
      () => process.exit(),
      () => process.exit(1),
    );
  }

  async #begin({ workers, node, secret, boundUrls, nodes }: ProcessTask): Promise<void> {
    this.#urls.write(nodes);
    const place = { number: node, portOffset: node - 1, urls: this.#urls.memory };
    this.#group = runWorkers(workers, tellOfWorker, { resumeSecret: secret, node: place, boundUrls });
    try {
      tell({ type: "listening", urls: (await this.#group).urls });
    } catch (cause) {
      tell({ type: "failed", cause: describeThrown(cause) });
      process.exitCode = 1;
      process.disconnect?.();
    }
  }
}

function tell(report: ProcessReport): void {
  process.send?.(report, undefined, undefined, () => {}); // where nobody hears it any more, this process ends
}

/** Whoever began this process says it where it is heard. */
function tellOfWorker(event: SlotEvent, worker: WorkerInfo): void {
  const sendable = event.type === "Restart" ? event : { ...event, cause: describeThrown(event.cause) };
  tell({ type: "worker", worker, event: sendable });
}

const entry = new ProcessEntry();
process.on("message", (command: ProcessCommand) => entry.obey(command));
process.once("disconnect", () => entry.end({}));
process.once("SIGTERM", () => entry.end({}));
// A terminal sends it to all processes at once: the one that began this one says what is done about it.
process.on("SIGINT", () => {});
