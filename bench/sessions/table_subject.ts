import type { SessionHandle } from "#internal/session/handle.js";
import { IdKind, Sessions } from "#internal/session/sessions.js";
import { SessionNumber } from "#internal/session/table.js";
import { IdleSweep } from "../../test/session/walk.js";
import { Order, type Subject, writeId } from "./figures.js";

/** What millrace ships: the table in shared memory, the directory and the index in native memory. */
export function tableSubject(count: number): Subject {
  const sessions = Sessions.create({ maxSessions: 2 ** Math.ceil(Math.log2(count)), maxEnvironments: 4 });
  const { table, claim } = sessions;
  const order = new Order(count);
  const handles = order.numbers;
  const identity = { transport: 1, connection: 0, id: new Uint32Array(4) };
  let begun = 0;
  let tick = 0;
  let sum = 0;
  const handleAt = (index: number) => handles[index] as SessionHandle;
  const begin = (index: number): void => {
    begun += 1;
    identity.connection = begun;
    const handle = sessions.allocate();
    handles[index] = handle;
    writeId(identity.id, handle);
    if (!table.open(handle, identity, tick)) throw new Error("a session did not open");
  };
  return {
    fill() {
      for (let index = 0; index < count; index += 1) {
        begin(index);
        sessions.assign(IdKind.session, identity.id, handleAt(index));
      }
    },
    mix(count_) {
      for (let i = 0; i < count_; i += 1) {
        tick += 1;
        const index = order.next();
        sessions.release(handleAt(index));
        begin(index);
        if (!table.touch(handleAt(order.next()), tick)) throw new Error("a session is not open");
      }
    },
    index() {
      for (let index = 0; index < count; index += 1) {
        writeId(identity.id, handles[index]!);
        sessions.assign(IdKind.session, identity.id, handleAt(index));
      }
    },
    mixWithIds(count_) {
      for (let i = 0; i < count_; i += 1) {
        tick += 1;
        const index = order.next();
        writeId(identity.id, handles[index]!);
        if (!sessions.forget(IdKind.session, identity.id, handleAt(index))) throw new Error("an id is lost");
        sessions.release(handleAt(index));
        begin(index);
        sessions.assign(IdKind.session, identity.id, handleAt(index));
        if (!table.touch(handleAt(order.next()), tick)) throw new Error("a session is not open");
      }
    },
    lookup(count_) {
      for (let i = 0; i < count_; i += 1) {
        const last = table.get(handleAt(order.next()), SessionNumber.lastActivity);
        if (last === undefined) throw new Error("a session is not there");
        sum = (sum + last) | 0;
      }
    },
    find(count_) {
      const id = new Uint32Array(4);
      for (let i = 0; i < count_; i += 1) {
        writeId(id, handles[order.next()]!);
        const found = sessions.find(IdKind.session, id);
        if (found === undefined) throw new Error("an id is lost");
        sum = (sum + found.owner) | 0;
      }
    },
    sweep() {
      const sweep = new IdleSweep(table, { claim, idleTicks: 0, budgetSlots: 10_000 });
      let seen = 0;
      while (!sweep.step(tick, () => (seen += 1)));
      return seen;
    },
  };
}
