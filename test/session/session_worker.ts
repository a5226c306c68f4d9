/** A thread that works with shared sessions, or against them, until it is told to stop. */
import { parentPort, workerData } from "node:worker_threads";
import type { SessionHandle } from "#internal/session/handle.js";
import { IdKind, Sessions, type SharedSessions } from "#internal/session/sessions.js";
import { SlotState } from "#internal/session/table_layout.js";
import { seededRandom } from "../kit/random.js";
import { IdleSweep, statisticsOf, walk } from "./walk.js";

export interface WorkerTask {
  readonly task: "churn" | "scribble" | "echo" | "hoard" | "innocent";
  readonly seed: number;
  readonly shared: SharedSessions;
  /** A word for each slot: who has it; and one more, which tells everybody to stop. */
  readonly holders: SharedArrayBuffer;
}

const { task, seed, shared, holders } = workerData as WorkerTask;
const held = new Int32Array(holders);
const stop = held.length - 1;
const random = seededRandom(seed);
/** No thread that churns has more at once. */
const maxHeld = 48;

interface Model {
  readonly id: Uint32Array;
  tick: number;
}

/** What this thread knows of its sessions, and whether the table says the same. */
class Churn {
  readonly #sessions = Sessions.join(shared, { message: (_, kind) => this.#count(kind === 7) });
  readonly #model = new Map<SessionHandle, Model>();
  readonly #gone: SessionHandle[] = [];
  failures = 0;
  operations = 0;
  received = 0;
  looks = 0;

  step(): void {
    this.operations += 1;
    if (random(500) === 0) this.#look();
    const handles = [...this.#model.keys()];
    if (random(2) === 0 && handles.length < Math.min(maxHeld, shared.maxSessions / 5)) this.#allocate();
    else if (handles.length > 0) this.#use(handles[random(handles.length)]!);
    const stale = this.#gone[random(Math.max(1, this.#gone.length))];
    if (stale !== undefined) {
      this.#check(this.#sessions.table.lookup(stale) === undefined, "a stale handle is resolved");
      this.#check(this.#sessions.sendTo(stale, 7, new Uint8Array(8)) === "gone", "a stale handle is reached");
    }
    if (this.#gone.length > 64) this.#gone.length = 0;
  }

  end(): void {
    for (const handle of this.#model.keys()) this.#release(handle);
    parentPort!.postMessage({
      failures: this.failures,
      operations: this.operations,
      received: this.received,
      looks: this.looks,
    });
    this.#sessions.close();
  }

  /** Walks, counts and sweeps while the others' sessions come and go, and its own stay. */
  #look(): void {
    if (shared.maxSessions > 1_000) return;
    this.looks += 1;
    const { table, claim } = this.#sessions;
    const visits = new Map<SessionHandle, number>();
    let cursor = 0;
    do {
      cursor = walk(table, cursor, 50, (handle) => visits.set(handle, (visits.get(handle) ?? 0) + 1));
    } while (cursor !== 0);
    for (const times of visits.values()) this.#check(times === 1, "a session is visited twice");
    for (const handle of this.#model.keys()) this.#check(visits.has(handle), "a session is not visited");
    const { slots, free, opening, open, closing, closed } = statisticsOf(table);
    this.#check(free + opening + open + closing + closed === slots, "the states are not those of all slots");
    this.#check(open >= this.#model.size, "open sessions are missing");
    const idle: SessionHandle[] = [];
    const sweep = new IdleSweep(table, { claim, idleTicks: 3, budgetSlots: 50 });
    while (!sweep.step(5, (handle) => idle.push(handle)));
    const due = [...this.#model].filter(([, { tick }]) => 5 - tick >= 3).map(([handle]) => handle);
    this.#check(
      idle.sort().join() === due.sort().join(),
      "the sweep finds others than its own that are idle",
    );
  }

  #allocate(): void {
    const handle = this.#sessions.table.tryAllocate(this.#sessions.claim);
    if (handle === undefined) return;
    const id = new Uint32Array([seed, this.operations, random(2 ** 31), 1]);
    this.#check(Atomics.exchange(held, handle % 2 ** 20, seed) === 0, "a slot was given twice");
    this.#check(this.#sessions.open(handle, { transport: 1, connection: seed, id }, 0), "it does not open");
    this.#model.set(handle, { id, tick: 0 });
  }

  #use(handle: SessionHandle): void {
    const model = this.#model.get(handle)!;
    const { table } = this.#sessions;
    model.tick += 1;
    this.#check(table.touch(handle, model.tick), "it is not open");
    this.#check(table.lookup(handle) === SlotState.open, "it is not open");
    this.#check(table.identity(handle)?.id.join() === model.id.join(), "it is another's");
    const found = this.#sessions.find(IdKind.session, model.id);
    this.#check(found?.handle === handle && found.owner === this.#sessions.environment, "its id is lost");
    this.#sessions.sendTo(handle, 7, new Uint8Array(16));
    if (random(3) === 0) this.#release(handle);
  }

  #release(handle: SessionHandle): void {
    this.#check(this.#sessions.forget(IdKind.session, this.#model.get(handle)!.id, handle), "its id is lost");
    this.#check(Atomics.exchange(held, handle % 2 ** 20, 0) === seed, "somebody else has its slot");
    this.#sessions.release(handle);
    this.#check(this.#sessions.table.lookup(handle) === undefined, "it is there still");
    this.#model.delete(handle);
    this.#gone.push(handle);
  }

  #count(right: boolean): void {
    this.received += 1;
    this.#check(right, "a message came that nobody sent");
  }

  #check(holds: boolean, what: string): void {
    if (holds) return;
    this.failures += 1;
    if (this.failures < 5) parentPort!.postMessage({ failure: what });
  }
}

function churn(): void {
  const worker = new Churn();
  parentPort!.postMessage({ ready: true });
  const turn = (): void => {
    for (let step = 0; step < 500; step += 1) worker.step();
    if (Atomics.load(held, stop) === 0) setImmediate(turn);
    else worker.end();
  };
  turn();
}

/** Any word anywhere. */
function scribble(): void {
  const memories = [shared.table, ...shared.inboxes.map((memory) => new Int32Array(memory))];
  parentPort!.postMessage({ ready: true });
  const turn = (): void => {
    for (let step = 0; step < 200; step += 1) {
      const words = memories[random(4) === 0 ? random(memories.length) : 0]!;
      words[random(words.length)] = (random(2 ** 31) * 2) >> random(32);
    }
    if (Atomics.load(held, stop) === 0) setImmediate(turn);
    else parentPort!.postMessage({ ended: true });
  };
  turn();
}

/** Sends back what it gets, to the session that the first bytes name. */
function echo(): void {
  const sessions = Sessions.join(shared, {
    message(_, kind, bytes) {
      const target = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true) as SessionHandle;
      sessions.sendTo(target, kind + 1, bytes);
    },
  });
  const handle = sessions.allocate();
  sessions.open(handle, { transport: 1, connection: 2, id: new Uint32Array([9, 9, 9, 9]) }, 0);
  sessions.assign(IdKind.client, new Uint32Array([1, 2, 3, 4]), handle);
  parentPort!.postMessage({ ready: true });
  parentPort!.once("message", () => sessions.close());
}

/** Works beside one that scribbles, and looks that what is its own stays so: numbers and contents may be anything. */
function innocent(): void {
  const own = new Set<SessionHandle>();
  const ids = new Map<SessionHandle, Uint32Array>();
  const report = { failures: 0, operations: 0, received: 0, looks: 0 };
  const check = (holds: boolean, failure: string): void => {
    if (holds) return;
    report.failures += 1;
    if (report.failures < 5) parentPort!.postMessage({ failure });
  };
  const sessions = Sessions.join(shared, {
    message(handle) {
      report.received += 1;
      check(own.has(handle), "a message reached another session");
    },
  });
  for (let index = 0; index < 16; index += 1) {
    const handle = sessions.allocate();
    const id = new Uint32Array([seed, index, 7, 7]);
    own.add(handle);
    ids.set(handle, id);
    check(sessions.open(handle, { transport: 1, connection: index, id }, 0), "it does not open");
  }
  parentPort!.postMessage({ ready: true });
  const turn = (): void => {
    for (const [handle, id] of ids) {
      report.operations += 1;
      const found = sessions.find(IdKind.session, id);
      check(found?.handle === handle && found.owner === sessions.environment, "its id is lost");
      check(sessions.sendTo(handle, 7, new Uint8Array(8)) !== "gone", "it is gone");
      sessions.table.touch(handle, report.operations);
      const extra = sessions.table.tryAllocate(sessions.claim);
      if (extra === undefined) continue;
      check(!own.has(extra), "a slot was given twice");
      sessions.release(extra);
    }
    walk(sessions.table, 0, shared.maxSessions, () => {
      report.looks += 1;
    });
    if (Atomics.load(held, stop) === 0) {
      setImmediate(turn);
      return;
    }
    for (const handle of own) sessions.release(handle);
    parentPort!.postMessage(report);
    sessions.close();
  };
  turn();
}

/** Takes every slot there is. */
function hoard(): void {
  const sessions = Sessions.join(shared);
  let hoarded = 0;
  while (sessions.table.tryAllocate(sessions.claim) !== undefined) hoarded += 1;
  parentPort!.postMessage({ ready: true, hoarded });
  parentPort!.on("message", () => sessions.close());
}

({ churn, scribble, echo, hoard, innocent })[task]();
