import { FailureCode, type Reply } from "../../delivery/failure.js";
import { payloadOf } from "../../delivery/payload.js";
import type { RequestOptions, SendOptions } from "../../delivery/send_options.js";
import { checkHandlers } from "../../options/handlers.js";
import { readOptions } from "../../options/read.js";
import type { CloseOptions } from "../../transport/close.js";
import type { SendResult } from "../../transport/connection.js";
import { publishSchema } from "../create_server.js";
import { readShutdown, type ShutdownOptions } from "../shutdown.js";
import { Elsewhere, type Found } from "../threads/elsewhere.js";
import type { GroupNode } from "../threads/group.js";
import { type ListFilter, Listing, type SessionList } from "../threads/listing.js";
import { Peers } from "../threads/peers.js";
import { endWithProcess } from "./end_with_process.js";
import { type ReadWorkersOptions, readWorkersOptions, type WorkersOptions } from "./options.js";
import { warn } from "./warning.js";
import type { GroupTarget, WorkerGroup, WorkerInfo, WorkersBehaviour } from "./worker_group.js";
import { type RunRequest, WorkerRun } from "./worker_run.js";
import { WorkerSlot } from "./worker_slot.js";

const handlerNames = ["workerExit", "workerRestart", "workerFailing"] satisfies (keyof WorkersBehaviour)[];
const nothing = new Uint8Array(0);

/**
 * Runs a server in several threads: each runs the application's module, whose `createServer` joins the others'. They share
 * their ports and their sessions: any of them reaches the sessions of all, and so does the thread that calls this.
 * @throws InvalidArgumentError; AddonUnavailableError where no native addon fits this platform
 * @throws WorkerFailedError where a worker's module cannot be loaded, throws, or makes no server in time
 */
export async function startWorkers(
  options: WorkersOptions,
  behaviour: WorkersBehaviour = {},
): Promise<WorkerGroup> {
  return runWorkers(options, behaviour);
}

/** What the process of such a group is among others. */
export interface WorkersPlace {
  readonly resumeSecret: Uint8Array;
  readonly node: GroupNode;
  /** Where the process listened whose place this one takes; empty for the first. */
  readonly boundUrls: readonly string[];
}

/** {@link startWorkers}, in one of several processes. */
export async function runWorkers(
  options: WorkersOptions,
  behaviour: WorkersBehaviour,
  place?: WorkersPlace,
): Promise<WorkerGroup> {
  const read = readWorkersOptions(options);
  checkHandlers(behaviour, handlerNames);
  const group = new Workers(read, behaviour, place);
  try {
    await group.start();
  } catch (cause) {
    await group.close({ graceful: false });
    throw cause;
  }
  return group;
}

/** A {@link WorkerGroup}. */
class Workers implements WorkerGroup {
  readonly #options: ReadWorkersOptions;
  readonly #behaviour: WorkersBehaviour;
  readonly #peers: Peers;
  readonly #elsewhere: Elsewhere;
  readonly #listing: Listing;
  readonly #slots: readonly WorkerSlot<WorkerRun>[];
  readonly #leaveProcess: () => void;
  #closed: Promise<void> | undefined;
  urls: readonly string[];

  constructor(options: ReadWorkersOptions, behaviour: WorkersBehaviour, place?: WorkersPlace) {
    const { workers, maxSessions, inboxBytes } = options;
    this.#options = options;
    this.#behaviour = behaviour;
    this.#peers = Peers.create({ maxSessions, maxEnvironments: workers + 1, inboxBytes }, place);
    this.urls = place?.boundUrls ?? [];
    this.#peers.countSessions(-1);
    this.#elsewhere = new Elsewhere(this.#peers);
    this.#listing = new Listing(this.#peers, this.#elsewhere);
    const events = {
      begin: (slot: WorkerSlot<WorkerRun>) => new WorkerRun(this.#requestOf(slot)),
      exited: (slot: WorkerSlot<WorkerRun>, cause: unknown) => this.#onExit(slot, cause),
      restarted: (slot: WorkerSlot<WorkerRun>) => this.#behaviour.workerRestart?.(infoOf(slot)),
      failing: (slot: WorkerSlot<WorkerRun>, cause: unknown, retryMs: number) =>
        this.#onFailing(slot, cause, retryMs),
    };
    this.#slots = Array.from({ length: workers }, (_, index) => new WorkerSlot(index + 1, events));
    this.#leaveProcess = endWithProcess(this.#slots);
  }

  /** The first thread alone, which gets the ports; then the others. */
  async start(): Promise<void> {
    const [first, ...others] = this.#slots as readonly [WorkerSlot<WorkerRun>, ...WorkerSlot<WorkerRun>[]];
    this.urls = await first.start();
    await Promise.all(others.map((slot) => slot.start()));
  }

  get sessionCount(): number {
    return this.#elsewhere.sessionCount;
  }

  get workers(): readonly WorkerInfo[] {
    return this.#slots.map(infoOf);
  }

  sendTo(target: GroupTarget, message: Uint8Array | string, options?: SendOptions): SendResult | "gone" {
    const payload = payloadOf(message, "a message");
    const found = this.#find(target);
    if (found === undefined) return "gone";
    // A client id may have sessions in several threads; where it may not, one of them has something to do.
    return typeof target === "string"
      ? this.#elsewhere.send(found, payload, options)
      : this.#elsewhere.sendToClient(target.clientId, payload, options);
  }

  async request(
    target: GroupTarget,
    subject: string,
    payload: Uint8Array | string = nothing,
    options?: RequestOptions,
  ): Promise<Reply> {
    const bytes = payloadOf(payload, "a request's payload");
    const found = this.#find(target);
    if (found !== undefined) return this.#elsewhere.request(found, subject, bytes, options);
    return { status: "failure", code: FailureCode.lost, reason: "there is no such session" };
  }

  broadcast(message: Uint8Array | string, options?: SendOptions): number {
    return this.#elsewhere.broadcast(payloadOf(message, "a message"), options);
  }

  publish(
    topic: string,
    message: Uint8Array | string,
    options: { readonly type?: number } = {},
  ): SendResult | "gone" {
    const { type } = readOptions(publishSchema, options);
    return this.#elsewhere.publish(topic, payloadOf(message, "a message"), type);
  }

  closeSession(id: string, options?: CloseOptions): boolean {
    const found = this.#elsewhere.session(id);
    if (found !== undefined) this.#elsewhere.close(found, options);
    return found !== undefined;
  }

  revoke(clientId: string, reason = "revoked"): boolean {
    const isKnown = this.#elsewhere.client(clientId) !== undefined;
    this.#elsewhere.revoke(clientId, reason);
    return isKnown;
  }

  list(filter: ListFilter = {}): Promise<SessionList> {
    return this.#listing.list(filter, () => []);
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
    this.#peers.sessions.flush();
    await Promise.all(this.#slots.map((slot) => slot.close(options, deadlineMs)));
    this.#leaveProcess();
    this.#peers.sessions.receive(); // the last answers
    this.#elsewhere.end();
    this.#listing.end();
    this.#peers.close();
  }

  #find(target: GroupTarget): Found | undefined {
    return typeof target === "string"
      ? this.#elsewhere.session(target)
      : this.#elsewhere.client(target.clientId);
  }

  #requestOf(slot: WorkerSlot<WorkerRun>): RunRequest {
    const { module, workerData, startTimeoutMs } = this.#options;
    // Ports that cannot be shared are the first thread's, and its successors'.
    const task = { group: this.#peers.group, module, boundUrls: this.urls, acceptsAlone: slot.id === 1 };
    return { task, name: `millrace-${slot.id}`, workerData, startTimeoutMs };
  }

  #onExit(slot: WorkerSlot<WorkerRun>, cause: unknown): void {
    if (this.#behaviour.workerExit !== undefined) this.#behaviour.workerExit(infoOf(slot), cause);
    else warn(`worker ${slot.id} has ended, and another takes its place`, cause, "MILLRACE_WORKER_EXIT");
  }

  #onFailing(slot: WorkerSlot<WorkerRun>, cause: unknown, retryMs: number): void {
    if (this.#behaviour.workerFailing !== undefined) {
      this.#behaviour.workerFailing(infoOf(slot), cause, retryMs);
    } else {
      const what = `worker ${slot.id} ends again and again; the next one is begun in ${retryMs} ms`;
      warn(what, cause, "MILLRACE_WORKER_FAILING");
    }
  }
}

function infoOf({ id, state, restarts }: WorkerSlot<WorkerRun>): WorkerInfo {
  return { id, state, restarts };
}
