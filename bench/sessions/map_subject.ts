import { Order, type Subject, writeId } from "./figures.js";

/** As much as a slot of the table says. All are small integers, which is what V8 stores best. */
interface Session {
  state: number;
  readonly transport: number;
  readonly connection: number;
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  readonly id3: number;
  lastActivity: number;
  roundTripUs: number;
  queuedBytes: number;
  sendSequence: number;
  receiveSequence: number;
  ackSequence: number;
  messages: number;
}

/** A Map of objects by number, and one by id: what a server in JavaScript does without a table. */
export function mapSubject(count: number): Subject {
  const sessions = new Map<number, Session>();
  const byId = new Map<string, Session>();
  const order = new Order(count);
  const { numbers } = order;
  const id = new Uint32Array(4);
  let begun = 0;
  let tick = 0;
  let sum = 0;
  const begin = (index: number): Session => {
    begun += 1;
    numbers[index] = begun;
    writeId(id, begun);
    const session: Session = {
      state: 2,
      transport: 1,
      connection: begun,
      id0: id[0]! | 0,
      id1: id[1]! | 0,
      id2: id[2]! | 0,
      id3: id[3]! | 0,
      lastActivity: tick,
      roundTripUs: 0,
      queuedBytes: 0,
      sendSequence: 0,
      receiveSequence: 0,
      ackSequence: 0,
      messages: 0,
    };
    sessions.set(begun, session);
    return session;
  };
  const touch = (number: number): void => {
    const session = sessions.get(number);
    if (session === undefined || session.state !== 2) throw new Error("a session is not open");
    session.lastActivity = tick;
  };
  return {
    fill() {
      for (let index = 0; index < count; index += 1) {
        const session = begin(index);
        byId.set(keyOf(id), session);
      }
    },
    mix(count_) {
      for (let i = 0; i < count_; i += 1) {
        tick += 1;
        const index = order.next();
        sessions.delete(numbers[index]!);
        begin(index);
        touch(numbers[order.next()]!);
      }
    },
    index() {
      byId.clear();
      for (const [number, session] of sessions) {
        writeId(id, number);
        byId.set(keyOf(id), session);
      }
    },
    mixWithIds(count_) {
      for (let i = 0; i < count_; i += 1) {
        tick += 1;
        const index = order.next();
        writeId(id, numbers[index]!);
        if (!byId.delete(keyOf(id))) throw new Error("an id is lost");
        sessions.delete(numbers[index]!);
        const session = begin(index);
        byId.set(keyOf(id), session);
        touch(numbers[order.next()]!);
      }
    },
    lookup(count_) {
      for (let i = 0; i < count_; i += 1) {
        const session = sessions.get(numbers[order.next()]!);
        if (session === undefined) throw new Error("a session is not there");
        sum = (sum + session.lastActivity) | 0;
      }
    },
    find(count_) {
      for (let i = 0; i < count_; i += 1) {
        writeId(id, numbers[order.next()]!);
        const session = byId.get(keyOf(id));
        if (session === undefined) throw new Error("an id is lost");
        sum = (sum + session.connection) | 0;
      }
    },
    sweep() {
      let seen = 0;
      for (const { lastActivity } of sessions.values()) if (tick - lastActivity >= 0) seen += 1;
      return seen;
    },
  };
}

/** The quickest way that we know from 128 bits to a key that a Map tells apart. */
function keyOf(id: Uint32Array): string {
  const [a, b, c, d] = [id[0]!, id[1]!, id[2]!, id[3]!];
  return String.fromCharCode(
    ...[a & 0xffff, a >>> 16, b & 0xffff, b >>> 16],
    ...[c & 0xffff, c >>> 16, d & 0xffff, d >>> 16],
  );
}
