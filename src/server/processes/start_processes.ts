import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { serialize } from "node:v8";
import { InvalidArgumentError } from "../../errors.js";
import { checkHandlers } from "../../options/handlers.js";
import { readOptions } from "../../options/read.js";
import { flag, object, option, optional, withDefault } from "../../options/schema.js";
import { formatHost, parseTransportUrl } from "../../transport/address.js";
import { readShutdown, type ShutdownOptions } from "../shutdown.js";
import { type ReadWorkersOptions, readWorkersOptions } from "../workers/options.js";
import { warn } from "../workers/warning.js";
import { WorkerSlot } from "../workers/worker_slot.js";
import { closeOnSignals } from "./close_on_signals.js";
import type { NodeUrlList } from "./node_urls.js";
import type { ProcessesBehaviour, ProcessesOptions, ProcessGroup, ProcessInfo } from "./process_group.js";
import { ProcessRun } from "./process_run.js";

const handlerNames = [
  "processExit",
  "processRestart",
  "processFailing",
] satisfies (keyof ProcessesBehaviour)[];
const maxProcesses = 256;
const secretBytes = 32;

const schema = object({
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
});

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
  const { processes, host, handleSignals, workers = 1, ...rest } = options;
  const own = readOptions(schema, { processes, host, handleSignals });
  const count = own.processes === "auto" ? Math.min(availableParallelism(), maxProcesses) : own.processes;
  const read = readWorkersOptions({ ...rest, workers });
  checkSendable(read.workerData);
  checkHandlers(behaviour, handlerNames);
  const group = new Processes(count, read, own.host, behaviour);
  const ignoreSignals = own.handleSignals ? closeOnSignals(() => group.close()) : () => {};
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
  readonly #behaviour: ProcessesBehaviour;
  readonly #secret = randomBytes(secretBytes);
  readonly #slots: readonly Slot[];
  /** Of each, in their order: they stay when it is begun anew. */
  readonly #urls: (readonly string[])[];
  #closed: Promise<void> | undefined;

  constructor(
    count: number,
    workers: ReadWorkersOptions,
    host: string | undefined,
    behaviour: ProcessesBehaviour,
  ) {
    this.#workers = workers;
    this.#host = host;
    this.#behaviour = behaviour;
    const events = {
      begin: (slot: Slot) => this.#begin(slot.id),
      exited: (slot: Slot, cause: unknown) => this.#onExit(slot, cause),
      restarted: (slot: Slot) => this.#behaviour.processRestart?.(this.#infoOf(slot)),
      failing: (slot: Slot, cause: unknown, retryMs: number) => this.#onFailing(slot, cause, retryMs),
    };
    this.#slots = Array.from({ length: count }, (_, index) => new WorkerSlot<ProcessRun>(index + 1, events));
    this.#urls = this.#slots.map(() => []);
  }

  async start(): Promise<void> {
    const started = await Promise.allSettled(
      this.#slots.map(async (slot, index) => {
        this.#urls[index] = await slot.start();
      }),
    );
    const failed = started.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    // Until it knows, a process would have a client begin anew that another one has the session of.
    await Promise.all(this.#slots.map(({ run }) => run?.tellNodes(this.#nodes)));
  }

  get processes(): readonly ProcessInfo[] {
    return this.#slots.map((slot) => this.#infoOf(slot));
  }

  get urls(): readonly string[] {
    return this.#urls.flat();
  }

  async close(options: ShutdownOptions = {}): Promise<void> {
    const { graceful, deadlineMs } = readShutdown(options);
    this.#closed ??= this.#close(options, graceful ? deadlineMs : 0);
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(options: ShutdownOptions, deadlineMs: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close(options, deadlineMs)));
    this.onClosed();
  }

  #begin(node: number): ProcessRun {
    const boundUrls = this.#urls[node - 1]!;
    const { startTimeoutMs, ...workers } = this.#workers;
    const task = { workers: { ...workers, startTimeoutMs }, node, secret: this.#secret, boundUrls };
    return new ProcessRun({ type: "begin", ...task, nodes: this.#nodes });
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

  #onExit(slot: Slot, cause: unknown): void {
    if (this.#behaviour.processExit !== undefined) this.#behaviour.processExit(this.#infoOf(slot), cause);
    else warn(`process ${slot.id} has ended, and another takes its place`, cause, "MILLRACE_PROCESS_EXIT");
  }

  #onFailing(slot: Slot, cause: unknown, retryMs: number): void {
    if (this.#behaviour.processFailing !== undefined) {
      this.#behaviour.processFailing(this.#infoOf(slot), cause, retryMs);
    } else {
      const what = `process ${slot.id} ends again and again; the next one is begun in ${retryMs} ms`;
      warn(what, cause, "MILLRACE_PROCESS_FAILING");
    }
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
