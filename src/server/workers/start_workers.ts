import { FailureCode, type Reply } from "../../delivery/failure.js";
import { payloadOf } from "../../delivery/payload.js";
import type { RequestOptions, SendOptions } from "../../delivery/send_options.js";
import { readOptions } from "../../options/read.js";
import type { CloseOptions } from "../../transport/close.js";
import type { SendResult } from "../../transport/connection.js";
import { checkPublished, publishSchema } from "../publish_options.js";
import type { PublishResult } from "../publish_result.js";
import type { ShutdownOptions } from "../shutdown.js";
import { Elsewhere, type Found } from "../threads/elsewhere.js";
import type { GroupNode } from "../threads/group.js";
import { type ListFilter, Listing, type SessionList } from "../threads/listing.js";
import { Peers } from "../threads/peers.js";
import { TopicPublisher } from "../threads/topic_publisher.js";
import { endWithProcess } from "./end_with_process.js";
import { type ReadWorkersOptions, readWorkersOptions, type WorkersOptions } from "./options.js";
import { checkSlotHandlers, slotEvents, type TellSlotEvent } from "./slot_events.js";
import { SlotGroup } from "./slot_group.js";
import type { GroupTarget, WorkerGroup, WorkerInfo, WorkersBehaviour } from "./worker_group.js";
import { type RunRequest, WorkerRun } from "./worker_run.js";
import type { SlotEvent, WorkerSlot } from "./worker_slot.js";

const nothing = new Uint8Array(0);

type Slot = WorkerSlot<WorkerRun>;

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
  checkSlotHandlers(behaviour, "worker");
  const tell = slotEvents("worker", behaviour, ({ id }: WorkerInfo) => `worker ${id}`);
  return runWorkers(options, tell);
}

/** What the process of such a group is among others. */
export interface WorkersPlace {
  readonly resumeSecret: Uint8Array;
  readonly node: GroupNode;
  /** Where the process listened whose place this one takes; empty for the first. */
  readonly boundUrls: readonly string[];
}

/** {@link startWorkers}, in one of several processes, or not. */
export async function runWorkers(
  options: WorkersOptions,
  tell: TellSlotEvent<[WorkerInfo]>,
  place?: WorkersPlace,
): Promise<WorkerGroup> {
  const group = new Workers(readWorkersOptions(options), tell, place);
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
  readonly #peers: Peers;
  readonly #elsewhere: Elsewhere;
  readonly #listing: Listing;
  readonly #publisher: TopicPublisher;
  readonly #slots: SlotGroup<WorkerRun>;
  readonly #leaveProcess: () => void;
  /** Of the first thread's server: all run the same application. */
  #maxMessageBytes = 0;
  urls: readonly string[];

  constructor(options: ReadWorkersOptions, tell: TellSlotEvent<[WorkerInfo]>, place?: WorkersPlace) {
    const { workers: count, maxSessions, inboxBytes } = options;
    this.#options = options;
    const owner = {
      begin: (slot: Slot) => new WorkerRun(this.#requestOf(slot)),
      told: (slot: Slot, event: SlotEvent) => tell(event, infoOf(slot)),
    };
    this.#slots = new SlotGroup(count, owner, () => this.#onClosed());
    this.#peers = Peers.create({ maxSessions, maxEnvironments: count + 1, inboxBytes }, place);
    this.urls = place?.boundUrls ?? [];
    this.#peers.countSessions(-1);
    this.#elsewhere = new Elsewhere(this.#peers);
    this.#listing = new Listing(this.#peers, this.#elsewhere);
    this.#publisher = new TopicPublisher(this.#peers);
    this.#leaveProcess = endWithProcess(this.#slots.slots);
  }

  /** The first thread alone, which gets the ports; then the others. */
  async start(): Promise<void> {
    const [first, ...others] = this.#slots.slots as readonly [Slot, ...Slot[]];
    this.urls = await first.start();
    this.#maxMessageBytes = first.run!.maxMessageBytes;
    await Promise.all(others.map((slot) => slot.start()));
  }

  get sessionCount(): number {
    return this.#elsewhere.sessionCount;
  }

  get workers(): readonly WorkerInfo[] {
    return this.#slots.slots.map(infoOf);
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
  ): PublishResult {
    const { type } = readOptions(publishSchema, options);
    const payload = payloadOf(message, "a message");
    checkPublished(payload, this.#maxMessageBytes);
    return this.#publisher.publish(topic, payload, type);
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
    this.#peers.sessions.flush();
    await this.#slots.close(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #onClosed(): void {
    this.#leaveProcess();
    this.#peers.sessions.receive(); // the last answers
    this.#elsewhere.end();
    this.#listing.end();
    this.#publisher.close();
    this.#peers.close();
  }

  #find(target: GroupTarget): Found | undefined {
    return typeof target === "string"
      ? this.#elsewhere.session(target)
      : this.#elsewhere.client(target.clientId);
  }

  #requestOf(slot: Slot): RunRequest {
    const { module, workerData, startTimeoutMs } = this.#options;
    // Ports that cannot be shared are the first thread's, and its successors'.
    const task = { group: this.#peers.group, module, boundUrls: this.urls, acceptsAlone: slot.id === 1 };
    return { task, name: `millrace-${slot.id}`, workerData, startTimeoutMs };
  }
}

function infoOf({ id, state, restarts }: Slot): WorkerInfo {
  return { id, state, restarts };
}
