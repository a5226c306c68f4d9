import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { serialize } from "node:v8";
import { InvalidArgumentError } from "../../errors.js";
import { readOptions } from "../../options/read.js";
import { flag, object, option, optional, withDefault } from "../../options/schema.js";
import { formatHost, parseTransportUrl } from "../../transport/address.js";
import type { ShutdownOptions } from "../shutdown.js";
import { type ReadWorkersOptions, resolved, workersOptions } from "../workers/options.js";
import { checkSlotHandlers, slotEvents, type TellSlotEvent } from "../workers/slot_events.js";
import { SlotGroup } from "../workers/slot_group.js";
import type { WorkerInfo } from "../workers/worker_group.js";
import type { SlotEvent, WorkerSlot } from "../workers/worker_slot.js";
import { closeOnSignals } from "./close_on_signals.js";
import type { NodeUrlList } from "./node_urls.js";
import type { ProcessesBehaviour, ProcessesOptions, ProcessGroup, ProcessInfo } from "./process_group.js";
import { ProcessRun } from "./process_run.js";

const maxProcesses = 256;
const secretBytes = 32;

const schema = object({
  ...workersOptions,
  workers: withDefault(workersOptions.workers, 1),
  processes: withDefault(
    option<number | "auto">(
      `an integer from 1 to ${maxProcesses}, or "auto"`,
      (value) =>
        value === "auto" || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxProcesses),
    ),
    "auto",
  ),
  host: optional(
    option<string>("a host's name or address", (value) => typeof value === "string" && isHost(value)),
  ),
  handleSignals: withDefault(flag, true),
} satisfies Record<keyof ProcessesOptions, unknown>);

/**
 * Runs a server in several processes, for machines whose limit of open files is of each: each runs the application's
 * module, in one thread of its own or more, on ports of its own. One that ends is begun anew within a second.
 * @throws InvalidArgumentError
 * @throws WorkerFailedError where a process cannot be begun, or its module makes no server in time
 */
export async function startProcesses(
  options: ProcessesOptions,
  behaviour: ProcessesBehaviour = {},
): Promise<ProcessGroup> {
  const { processes, host, handleSignals, ...workers } = readOptions(schema, options);
  const count = processes === "auto" ? Math.min(availableParallelism(), maxProcesses) : processes;
  const read = resolved(workers);
  checkSendable(read.workerData);
  const group = new Processes(count, read, host, behaviour);
  const ignoreSignals = handleSignals ? closeOnSignals(() => group.close()) : () => {};
  group.onClosed = ignoreSignals;
  try {
    await group.start();
  } catch (cause) {
    await group.close({ graceful: false });
    throw cause;
  }
  return group;
}

type Slot = WorkerSlot<ProcessRun>;

/** A {@link ProcessGroup}. */
class Processes implements ProcessGroup {
  onClosed: () => void = () => {};
  readonly #workers: ReadWorkersOptions;
  readonly #host: string | undefined;
  readonly #secret = randomBytes(secretBytes);
  readonly #slots: SlotGroup<ProcessRun>;
  readonly #tellOfWorker: TellSlotEvent<[ProcessInfo, WorkerInfo]>;
  /** Of each, in their order: they stay when it is begun anew. */
  readonly #urls: (readonly string[])[];

  constructor(
    count: number,
    workers: ReadWorkersOptions,
    host: string | undefined,
    behaviour: ProcessesBehaviour,
  ) {
    this.#workers = workers;
    this.#host = host;
    checkSlotHandlers(behaviour, "process", "worker");
    const tell = slotEvents("process", behaviour, ({ node }: ProcessInfo) => `process ${node}`);
    this.#tellOfWorker = slotEvents(
      "worker",
      behaviour,
      ({ node }: ProcessInfo, { id }: WorkerInfo) => `worker ${id} of process ${node}`,
    );
    const owner = {
      begin: (slot: Slot) => this.#begin(slot),
      told: (slot: Slot, event: SlotEvent) => tell(event, this.#infoOf(slot)),
    };
    this.#slots = new SlotGroup(count, owner, () => this.onClosed());
    this.#urls = this.#slots.slots.map(() => []);
  }

  async start(): Promise<void> {
    const started = await Promise.allSettled(
      this.#slots.slots.map(async (slot, index) => {
        this.#urls[index] = await slot.start();
      }),
    );
    const failed = started.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    // Until it knows, a process would have a client begin anew that another one has the session of.
    await Promise.all(this.#slots.slots.map(({ run }) => run?.tellNodes(this.#nodes)));
  }

  get processes(): readonly ProcessInfo[] {
    return this.#slots.slots.map((slot) => this.#infoOf(slot));
  }

  get urls(): readonly string[] {
    return this.#urls.flat();
  }

  close(options?: ShutdownOptions): Promise<void> {
    return this.#slots.close(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(slot: Slot): ProcessRun {
    const { id: node } = slot;
    const boundUrls = this.#urls[node - 1]!;
    const { startTimeoutMs, ...workers } = this.#workers;
    const task = { workers: { ...workers, startTimeoutMs }, node, secret: this.#secret, boundUrls };
    return new ProcessRun({ type: "begin", ...task, nodes: this.#nodes }, (event, worker) =>
      this.#tellOfWorker(event, this.#infoOf(slot), worker),
    );
  }

  /** Where clients reach each. */
  get #nodes(): readonly NodeUrlList[] {
    const host = this.#host;
    const reached = (url: string) => (host === undefined ? url : withHost(url, host));
    return this.#urls.map((urls, index) => ({ node: index + 1, urls: urls.map(reached) }));
  }

  #infoOf({ id, run, state, restarts }: Slot): ProcessInfo {
    return { node: id, pid: run?.pid, state, restarts, urls: this.#urls[id - 1]! };
  }
}

/** Less can be sent to another process than cloned for a thread. @throws InvalidArgumentError */
function checkSendable(workerData: unknown): void {
  try {
    serialize(workerData);
  } catch (cause) {
    throw new InvalidArgumentError("workerData must be something that can be sent to another process", {
      cause,
    });
  }
}

function withHost(url: string, host: string): string {
  return url.replace(formatHost(parseTransportUrl(url).host), host);
}

/** As URLs have it: IPv6 in brackets. */
function isHost(host: string): boolean {
  return /^[^/?#@\s]+$/.test(host) && URL.canParse(`ws://${host}/`) && new URL(`ws://${host}/`).port === "";
}
