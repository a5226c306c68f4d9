import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { homeOf } from "#internal/server/threads/home_of.js";
import { seededRandom } from "../../kit/random.js";
import { HomeHub } from "./home_hub.js";
import { HomeNode } from "./home_node.js";
import { endsOf } from "./ways.js";

describe("the home of a topic", () => {
  it("is spread over all, and moves only to who comes or from who ends", () => {
    const subjects = Array.from({ length: 4_000 }, (_, i) => `room.${i}`);
    const counts = new Map<number, number>();
    for (const subject of subjects) {
      const home = homeOf(subject, [1, 2, 3, 4]);
      counts.set(home, (counts.get(home) ?? 0) + 1);
      const without = homeOf(subject, [1, 2, 4]);
      assert.equal(without, home === 3 ? without : home);
      assert.notEqual(without, 3);
    }
    for (const count of counts.values()) assert.ok(count > 800 && count < 1_200, `${count} of 4,000`);
  });
});

/** A subject whose home is a node. */
function subjectOf(home: number, members: readonly number[], prefix = "room"): string {
  for (let i = 0; ; i += 1) if (homeOf(`${prefix}.${i}`, members) === home) return `${prefix}.${i}`;
}

async function settle(hub: HomeHub): Promise<void> {
  for (let i = 0; i < 8; i += 1) {
    hub.deliverAll();
    await turn();
  }
}

function nodesOf(hub: HomeHub, count: number, options = {}): HomeNode[] {
  return Array.from({ length: count }, (_, i) => new HomeNode(hub, i, options));
}

describe("topics that environments share", () => {
  it("are numbered by their home, wherever they are published, and come to all in one order", async () => {
    const hub = new HomeHub();
    const nodes = nodesOf(hub, 3);
    const [first, second, third] = nodes as [HomeNode, HomeNode, HomeNode];
    const subject = subjectOf(1, [0, 1, 2]);
    for (const node of nodes) void node.subscribe("ann", subject);
    await settle(hub);
    const away = [first.publish(subject, 1), third.publish(subject, 2)];
    const here = second.publish(subject, 3);
    assert.deepEqual(
      away.map(({ status, cursor }) => [status, cursor]),
      [
        ["posted", undefined],
        ["posted", undefined],
      ],
    );
    assert.equal(here.status, "published");
    assert.equal(here.recipients, 1);
    await settle(hub);
    const outcomes = await Promise.all(away.map(({ outcome }) => outcome));
    assert.deepEqual(
      outcomes.map((outcome) => [outcome?.status, outcome?.cursor?.sequence]),
      [
        ["published", 2],
        ["published", 3],
      ],
    );
    for (const node of nodes) {
      assert.deepEqual(node.heard("ann"), [`${subject} 3@1`, `${subject} 1@2`, `${subject} 2@3`]);
    }
    assert.equal(new Set(nodes.map((node) => node.topics.cursorOf(subject)!.epoch)).size, 1);
  });

  it("give what was kept to who subscribes in an environment that has none of it", async () => {
    const hub = new HomeHub();
    const history = { ">": { count: 3 } };
    const [first] = nodesOf(hub, 1, { history }) as [HomeNode];
    const subject = subjectOf(0, [0, 1]);
    for (const body of [1, 2, 3, 4, 5]) first.publish(subject, body);
    const { epoch } = first.topics.cursorOf(subject)!;
    const late = new HomeNode(hub, 1, { history });
    const joined = late.subscribe("ann", subject, { epoch, sequence: 3 });
    await settle(hub);
    const { recovered, replay, cursor } = await joined;
    assert.equal(recovered, true);
    assert.deepEqual(
      replay.map(({ sequence }) => sequence),
      [4, 5],
    );
    assert.deepEqual(cursor, { epoch, sequence: 5 });
    const again = late.homes.prepare(subject, "oldest");
    assert.equal(again, undefined, "it has all of it by now");
    const lost = await late.subscribe("bob", subject, { epoch, sequence: 1 });
    assert.deepEqual(lost.gap, { epoch, oldest: 3 });
    first.publish(subject, 6);
    await settle(hub);
    assert.deepEqual(late.heard("ann"), [`${subject} 6@6`]);
  });

  it("go where somebody may want them, and nowhere else", async () => {
    const hub = new HomeHub();
    const [home, second, third] = nodesOf(hub, 3, { idleMs: 1_000 }) as [HomeNode, HomeNode, HomeNode];
    const subject = subjectOf(0, [0, 1, 2, 3]); // so it is of the first three, too
    const goesTo = (body: number) => {
      home.publish(subject, body);
      return hub.ways.filter((way) => endsOf(way)[0] === 0).map((way) => endsOf(way)[1]);
    };
    assert.deepEqual(goesTo(1), []);
    void second.subscribe("ann", subject);
    await settle(hub);
    assert.deepEqual(goesTo(2), [1]);
    await settle(hub);
    void third.subscribe("bob", "room.*");
    void third.subscribe("eve", "hall.>");
    assert.deepEqual(goesTo(3).sort(), [1, 2]);
    await settle(hub);
    third.unsubscribe("bob", "room.*");
    third.sweep(1);
    third.sweep(2_000); // it knows nothing of the topic any more
    await settle(hub);
    assert.deepEqual(goesTo(4), [1]);
    await settle(hub);
    assert.deepEqual(third.heard("bob"), [`${subject} 3@3`]);
    assert.deepEqual(
      second.heard("ann"),
      [2, 3, 4].map((body) => `${subject} ${body}@${body}`),
    );
    const fourth = new HomeNode(hub, 3, { history: { "room.>": { count: 1 } } });
    assert.ok(goesTo(5).includes(3), "it keeps what nobody there subscribes to");
    await settle(hub);
    assert.equal(fourth.topics.statistics.historyEntries, 1);
  });

  it("come again to who wants them where another thread has written over that, and what was missed is told", async () => {
    const hub = new HomeHub();
    const [home, second] = nodesOf(hub, 2) as [HomeNode, HomeNode];
    const subject = subjectOf(0, [0, 1]);
    void second.subscribe("ann", subject);
    await settle(hub);
    home.publish(subject, 1);
    new Uint8Array(hub.interests).fill(0);
    home.publish(subject, 2);
    for (let turn = 0; turn < 20; turn += 1) second.sweep();
    home.publish(subject, 3);
    await settle(hub);
    assert.deepEqual(second.heard("ann"), [`${subject} 1@1`, `${subject} gap to 3`, `${subject} 3@3`]);
  });

  it("get another home when theirs ends, and everybody is told that something may be missing", async () => {
    const hub = new HomeHub();
    const history = { ">": { count: 3 } };
    const [first, second, third] = nodesOf(hub, 3, { history }) as [HomeNode, HomeNode, HomeNode];
    const subject = subjectOf(2, [0, 1, 2]);
    for (const node of [first, second]) void node.subscribe("ann", subject);
    await settle(hub);
    third.publish(subject, 1);
    await settle(hub);
    const lost = first.publish(subject, 2);
    const onItsWay = second.homes.prepare("room.x", undefined);
    hub.leave(2);
    hub.tellLeft(2);
    assert.equal((await lost.outcome)?.status, "lost");
    first.sweep();
    second.sweep();
    await settle(hub);
    await onItsWay;
    const { outcome, status } = first.publish(subject, 3);
    assert.ok(status === "published" || status === "posted");
    await settle(hub);
    if (outcome !== undefined) assert.equal((await outcome).status, "published");
    for (const node of [first, second]) {
      assert.deepEqual(node.heard("ann"), [`${subject} 1@1`, `${subject} gap to 2`, `${subject} 3@2`]);
    }
    assert.deepEqual(first.topics.cursorOf(subject), second.topics.cursorOf(subject));
  });

  it("drop what finds no room on its way to its home, and say so", async () => {
    const hub = new HomeHub();
    const [first] = nodesOf(hub, 2, { maxWaitingBytes: 0 }) as [HomeNode];
    const subject = subjectOf(1, [0, 1]);
    const results = Array.from({ length: 100 }, (_, i) => first.publish(subject, i, 2_000));
    const dropped = results.filter(({ status }) => status === "dropped").length;
    assert.ok(dropped > 0 && dropped < 100);
    assert.ok(results.every(({ status, outcome }) => (status === "posted") === (outcome !== undefined)));
    await settle(hub);
    assert.equal(first.homes.pendingCount, 0);
  });

  it("carry messages larger than an inbox, and tell who was too slow what is lost", async () => {
    const hub = new HomeHub();
    const [first, second] = nodesOf(hub, 2, { maxWaitingBytes: 1 }) as [HomeNode, HomeNode];
    const large = subjectOf(0, [0, 1]);
    void second.subscribe("ann", large);
    await settle(hub);
    first.publish(large, 1, 150_000);
    for (const body of [2, 3, 4]) first.publish(large, body, 150_000);
    await settle(hub);
    first.publish(large, 5);
    await settle(hub);
    assert.deepEqual(second.heard("ann"), [`${large} 1@1`, `${large} gap to 5`, `${large} 5@5`]);
  });

  it("give who was too slow all that is kept", async () => {
    const hub = new HomeHub();
    const history = { ">": { count: 10 } };
    const [first, second] = nodesOf(hub, 2, { maxWaitingBytes: 1, history }) as [HomeNode, HomeNode];
    const subject = subjectOf(0, [0, 1]);
    void second.subscribe("ann", subject);
    await settle(hub);
    for (const body of [1, 2, 3, 4]) first.publish(subject, body, 150_000);
    await settle(hub);
    assert.deepEqual(
      second.heard("ann"),
      [1, 2, 3, 4].map((body) => `${subject} ${body}@${body}`),
    );
  });

  it("are remembered by their home while somebody anywhere needs them", async () => {
    const hub = new HomeHub();
    const [first, second] = nodesOf(hub, 2, { idleMs: 1_000 }) as [HomeNode, HomeNode];
    const subject = subjectOf(0, [0, 1]);
    void second.subscribe("ann", subject);
    await settle(hub);
    const cursor = first.topics.cursorOf(subject);
    assert.notEqual(cursor, undefined);
    first.sweep(10_000);
    assert.deepEqual(first.topics.cursorOf(subject), cursor);
    second.topics.unsubscribe("ann", subject);
    second.sweep(11_000);
    await settle(hub);
    second.sweep(13_000);
    await settle(hub);
    assert.equal(second.topics.cursorOf(subject), undefined);
    first.sweep(14_000);
    first.sweep(16_000);
    assert.equal(first.topics.cursorOf(subject), undefined);
  });

  it("give up what its home does not answer", async () => {
    const hub = new HomeHub();
    const [first] = nodesOf(hub, 1) as [HomeNode];
    hub.mute(1);
    const subject = subjectOf(1, [0, 1]);
    const { outcome } = first.publish(subject, 1);
    const given = assert.rejects(first.subscribe("ann", subject), { code: "ERR_MILLRACE_TOPIC_HOME" });
    first.sweep(10_001);
    assert.equal((await outcome)?.status, "lost");
    await turn();
    for (let i = 1; i < 5; i += 1) {
      first.sweep(10_001 * (i + 1));
      await turn();
    }
    await given;
  });

  it("take no harm from commands that are none", async () => {
    const hub = new HomeHub();
    const [first, second] = nodesOf(hub, 2) as [HomeNode, HomeNode];
    const subject = subjectOf(0, [0, 1]);
    void second.subscribe("ann", subject);
    await settle(hub);
    const random = seededRandom(7);
    for (let i = 0; i < 3_000; i += 1) {
      const { status } = random(2) === 0 ? first.publish(subject, i) : second.publish(subject, i);
      assert.notEqual(status, "dropped");
      if (random(10) === 0) void second.homes.prepare(`other.${i}`, "oldest")?.catch(() => {});
      for (const way of hub.ways) {
        hub.deliver(way, (bytes) => {
          if (random(3) === 0) bytes[random(bytes.length)]! ^= 1 << random(8);
          return bytes;
        });
      }
    }
    assert.ok(hub.refused > 100);
  });

  it("never show two orders, nor anything twice, nor a hole that nobody is told of", async () => {
    const totals = { messages: 0, gaps: 0, kills: 0, lost: 0, dropped: 0 };
    for (let seed = 1; seed <= 150; seed += 1) {
      try {
        await play(seed, totals);
      } catch (cause) {
        throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
      }
    }
    for (const [what, count] of Object.entries(totals)) assert.ok(count > 50, `${what}: ${count}`);
  });
});

const members = [0, 1, 2];
const subjects = ["a.1", "a.2", "b.1", "b.2", "c"];

/** One random life of a group. */
async function play(seed: number, totals: Record<string, number>): Promise<void> {
  const random = seededRandom(seed * 7_919);
  const hub = new HomeHub(random(2) === 0 ? 1_024 : 65_536);
  const options = {
    maxWaitingBytes: random(2) === 0 ? 1 : 2 ** 22,
    history: random(2) === 0 ? {} : { "a.*": { count: 4 }, c: { count: 1_000 } },
  };
  const nodes = new Map(members.map((number) => [number, new HomeNode(hub, number, options)]));
  const everybody: HomeNode[] = [...nodes.values()];
  const outcomes: { readonly node: HomeNode; readonly status: Promise<string> }[] = [];
  const dead: number[] = [];
  const any = <Item>(items: readonly Item[]): Item => items[random(items.length)]!;
  let body = 0;
  for (let step = 0; step < 200; step += 1) {
    const node = any([...nodes.values()]);
    const dice = random(100);
    if (dice < 40) {
      body += 1;
      const { status, outcome } = node.publish(any(subjects), body, random(8) === 0 ? 30_000 : 10);
      if (status === "dropped") totals.dropped! += 1;
      if (outcome !== undefined) {
        outcomes.push({ node, status: outcome.then((result) => result.status) });
      }
    } else if (dice < 52) {
      void node.subscribe(any(["ann", "bob"]), any([...subjects, "a.*", ">"])).catch(() => {});
    } else if (dice < 56) {
      node.unsubscribe(any(["ann", "bob"]), any([...subjects, "a.*", ">"]));
    } else if (dice < 58 && nodes.size > 1) {
      const { number } = node;
      hub.leave(number, random(2) === 0);
      nodes.delete(number);
      dead.push(number);
      totals.kills! += 1;
    } else if (dice < 62 && nodes.size < members.length) {
      const number = members.find((member) => !nodes.has(member))!;
      if (random(2) === 0) tellLeft(hub, dead);
      const next = new HomeNode(hub, number, options);
      nodes.set(number, next);
      everybody.push(next);
    } else if (dice < 66) tellLeft(hub, dead);
    else if (dice < 70) node.sweep();
    else {
      for (let i = random(12); i > 0 && hub.ways.length > 0; i -= 1) hub.deliver(any(hub.ways));
      await turn();
    }
  }
  await finish(hub, [...nodes.values()], dead);
  for (const { node, status } of outcomes) {
    if (nodes.get(node.number) !== node) continue; // nobody is left there to be told
    assert.ok(["published", "lost"].includes(await status), await status);
    if ((await status) === "lost") totals.lost! += 1;
  }
  const placed = new Map<string, number>();
  for (const node of everybody) {
    totals.messages! += node.check(placed);
    totals.gaps! += node.gapCount;
  }
  for (const node of nodes.values()) {
    for (const subject of subjects) {
      const home = nodes.get(homeOf(subject, [...nodes.keys()].sort()))!;
      node.checkPlaces(subject, home.topics.cursorOf(subject));
    }
  }
}

function tellLeft(hub: HomeHub, dead: number[]): void {
  for (const number of dead.splice(0)) hub.tellLeft(number);
}

async function finish(hub: HomeHub, nodes: readonly HomeNode[], dead: number[]): Promise<void> {
  tellLeft(hub, dead);
  // What was lost with somebody's end is given up after 10 s, and asked for again.
  for (let round = 0; round < 6; round += 1) {
    for (const node of nodes) node.sweep(round * 5_000);
    await settle(hub);
  }
}
