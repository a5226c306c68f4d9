import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Cursor, Missed, Publication, SubscribeFrom } from "millrace/client";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import { call, joinElsewhere, type Member, startApp } from "./kit.js";

type T = Parameters<typeof startApp>[0];

const listen = "ws://127.0.0.1:0";
const history = { ">": { count: 100 } };
const subjects = Array.from({ length: 12 }, (_, i) => `room.${i}`);

/** A client, and what it heard of topics. */
interface Listener extends Member {
  readonly got: { readonly topic: string; readonly text: string; readonly cursor: Cursor }[];
  /** The topics of which it was told that something may be missing. */
  readonly gaps: Set<string>;
}

async function listener(t: T, url: string, threads: readonly string[]): Promise<Listener> {
  const got: Listener["got"] = [];
  const gaps = new Set<string>();
  const publication = (_session: unknown, { topic, text, cursor }: Publication) => {
    got.push({ topic, text: text(), cursor });
  };
  const gap = (_session: unknown, { topic }: Missed) => void gaps.add(`${topic}`);
  const member = await joinElsewhere(t, url, threads, {}, { publication, gap });
  return { ...member, got, gaps };
}

/** One client in each of three threads. */
async function three(t: T): Promise<[Listener, Listener, Listener]> {
  const group = await startApp(t, { listen, topics: { history } });
  const url = group.urls[0]!;
  const first = await listener(t, url, []);
  const second = await listener(t, url, [first.thread]);
  return [first, second, await listener(t, url, [first.thread, second.thread])];
}

function of({ got }: Listener, topic: string) {
  return got.filter((publication) => publication.topic === topic);
}

describe("topics of a server in three threads", () => {
  test("show everybody one order, and one cursor, whoever publishes where", async (t) => {
    const listeners = await three(t);
    for (const { client } of listeners) await client.subscribe("room.*");
    const publishing = listeners.flatMap(({ client }, who) =>
      subjects.flatMap((subject) => [1, 2, 3].map((n) => client.publish(subject, `${who} ${n}`))),
    );
    await Promise.all(publishing);
    await until("all have all", () => listeners.every(({ got }) => got.length === 9 * subjects.length));
    const [first, ...others] = listeners;
    for (const subject of subjects) {
      const order = of(first, subject);
      assert.deepEqual(
        order.map(({ cursor }) => cursor.sequence),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      for (const other of others) assert.deepEqual(of(other, subject), order);
      for (const who of ["0", "1", "2"]) {
        const its = order.filter(({ text }) => text.startsWith(who)).map(({ text }) => text.slice(2));
        assert.deepEqual(its, ["1", "2", "3"], "each sender's in its order");
      }
    }
    assert.ok(listeners.every(({ gaps }) => gaps.size === 0));
  });

  test("say to the server's own publisher what became of it", async (t) => {
    const [first] = await three(t);
    for (const subject of subjects) {
      const result = (await call(first, "publish", subject, "x")) as { status: string; cursor: Cursor };
      assert.equal(result.status, "published");
      assert.equal(result.cursor.sequence, 1);
    }
  });

  test("carry what is larger than an inbox", async (t) => {
    const group = await startApp(t, { listen }, { workers: 2, inboxBytes: 65_536 });
    const first = await listener(t, group.urls[0]!, []);
    const second = await listener(t, group.urls[0]!, [first.thread]);
    for (const { client } of [first, second]) await client.subscribe("room.*");
    const text = "x".repeat(500_000);
    for (const subject of subjects.slice(0, 4)) {
      await first.client.publish(subject, text);
      await second.client.publish(subject, text);
    }
    await until("all came", () => [first, second].every(({ got }) => got.length === 8));
    assert.ok([...first.got, ...second.got].every((publication) => publication.text === text));
  });

  test("outlive the thread that numbers them: who subscribes is told, and goes on; a new one asks for the past", async (t) => {
    const exited = deferred<void>();
    const restarted = deferred<void>();
    const group = await startApp(
      t,
      { listen, topics: { history } },
      {},
      { workerExit: () => exited.resolve(), workerRestart: () => restarted.resolve() },
    );
    const url = group.urls[0]!;
    const first = await listener(t, url, []);
    const second = await listener(t, url, [first.thread]);
    const third = await listener(t, url, [first.thread, second.thread]);
    const survivors = [first, second];
    for (const { client } of survivors) for (const subject of subjects) await client.subscribe(subject);
    for (const subject of subjects) await first.client.publish(subject, "before");
    await until("all came", () => survivors.every(({ got }) => got.length === subjects.length));
    const before = new Map(first.got.map(({ topic, cursor }) => [topic, cursor]));

    third.client.send("exit");
    await exited.promise;
    await restarted.promise;
    // The topics that were its own have another home for a while, then the new thread: so two gaps at most, or one.
    await until("who lost something is told", () => first.gaps.size > 0 && second.gaps.size > 0);
    for (const subject of subjects) {
      await until(`${subject} is numbered again`, () =>
        first.client.publish(subject, "after").then(
          () => true,
          () => false, // on its way to a home that has changed: it says so
        ),
      );
    }
    // What was said not to be taken may have been, where its home ended right then.
    const afterOf = (one: Listener) => [
      ...new Set(one.got.filter(({ text }) => text === "after").map(({ topic }) => topic)),
    ];
    await until("all of it came", () => survivors.every((one) => afterOf(one).length === subjects.length));
    for (const subject of subjects) {
      const place = of(first, subject).at(-1)!;
      assert.deepEqual(of(second, subject).at(-1), place, "the same for both");
      const isSame = place.cursor.epoch === before.get(subject)!.epoch;
      for (const one of survivors) assert.equal(one.gaps.has(subject), !isSame, subject);
    }
    assert.ok(first.gaps.size < subjects.length, "most topics have not moved");

    const late = await listener(t, url, [first.thread, second.thread]);
    for (const subject of subjects) {
      const from: SubscribeFrom = before.get(subject)!;
      const { recovered, gap } = await late.client.subscribe(subject, { from });
      assert.equal(recovered, !first.gaps.has(subject), subject);
      assert.equal(gap === undefined, recovered);
    }
    await until("it has what came since", () => afterOf(late).length === subjects.length);
    for (const subject of subjects) {
      assert.deepEqual(of(late, subject).at(-1), of(first, subject).at(-1), "in the same place");
    }
  });
});
