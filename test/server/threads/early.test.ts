import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { MemoryTicketStore } from "millrace/quic";
import type { Reply, Server, ServerBehaviour } from "millrace/server";
import { createRelay, type Relay } from "millrace/testing";
import { deferred } from "../../kit/deferred.js";
import { addressOf } from "../../kit/early_world.js";
import { replay } from "../../kit/replay.js";
import { until } from "../../kit/until.js";
import { authority } from "../../transport/suite/kit.js";
import { serverGroup } from "./group_kit.js";

/** Copies that lead to nothing are given up soon. */
const brief = { authenticateTimeoutMs: 2_000 };
/** What is lost on purpose is sent again ever later. */
const patient = { connectTimeoutMs: 60_000 };

/** What a thread was asked to do. */
class Effects {
  early = 0;
  late = 0;
  resumed = 0;
  readonly messages: string[] = [];
  readonly name: string;
  /** What is early is answered when it resolves. */
  readonly held: Promise<void>;

  constructor(name: string, held: Promise<void> = Promise.resolve()) {
    this.name = name;
    this.held = held;
  }

  get behaviour(): ServerBehaviour<unknown> {
    return {
      earlyRequests: {
        pay: async () => {
          this.early += 1;
          await this.held;
          return `paid by ${this.name}`;
        },
      },
      requests: { pay: () => `paid late ${++this.late}` },
      earlyEvents: {
        pay: async () => {
          this.early += 1;
          await this.held;
        },
      },
      events: { pay: () => void ++this.late },
      resumed: () => {
        this.resumed += 1;
      },
      message: (_session, message) => void this.messages.push(message.text()),
    };
  }
}

/** Three threads' servers, and a client who comes again and again by a way that leads to any of them. */
class EarlyGroup {
  readonly store = new MemoryTicketStore();
  readonly #t: TestContext;
  readonly relay: Relay;
  readonly servers: readonly Server<unknown>[];
  readonly effects: readonly Effects[];
  readonly #earlier = new Set<number>();

  private constructor(t: TestContext, relay: Relay, servers: readonly Server<unknown>[], effects: Effects[]) {
    this.#t = t;
    this.relay = relay;
    this.servers = servers;
    this.effects = effects;
  }

  static async begin(t: TestContext, held?: Promise<void>): Promise<EarlyGroup> {
    const effects = ["first", "second", "third"].map((name) => new Effects(name, held));
    const { servers } = await serverGroup(
      t,
      "quic://127.0.0.1:0",
      effects.map(({ behaviour }) => behaviour),
      { earlyData: true, ...brief },
    );
    const relay = await createRelay({ target: addressOf(servers[0]! as Server), record: true });
    t.after(() => relay.close());
    return new EarlyGroup(t, relay, servers, effects);
  }

  async connect(behaviour: ClientBehaviour = {}, options: ClientOptions = {}): Promise<ClientSession> {
    const session = await connect(
      `quic://127.0.0.1:${this.relay.address.port}`,
      { tls: { ca: authority.certificate }, earlyData: { store: this.store }, ...options },
      behaviour,
    );
    this.#t.after(() => session.close({ graceful: false }));
    return session;
  }

  /** Comes for the first time. */
  async earnTicket(): Promise<void> {
    const session = await this.connect();
    await until("the server gives a ticket", () => this.store.size === 1);
    await session.close();
    this.forgetClients();
  }

  forgetClients(): void {
    for (const { client } of this.relay.recorded) this.#earlier.add(client.port);
  }

  /** What the newest client has sent until now. */
  get flight(): Uint8Array[] {
    return this.relay.recorded
      .filter(({ client, direction }) => direction === "toServer" && !this.#earlier.has(client.port))
      .map(({ bytes }) => bytes);
  }

  /** Who comes from now on comes to that one. */
  async leadTo(at: number): Promise<void> {
    await this.relay.retarget(addressOf(this.servers[at]! as Server));
  }

  portOf(at: number): number {
    return addressOf(this.servers[at]! as Server).port;
  }

  sum(of: (effects: Effects) => number): number {
    return this.effects.reduce((sum, each) => sum + of(each), 0);
  }
}

/** Both ways to pay, with what is told of it, and what that is where it went well. */
const ways = {
  request: {
    pay: (session: ClientSession) => textOf(session.request("pay", "", { idempotent: true })),
    well: "paid by first",
  },
  message: {
    pay: async (session: ClientSession) =>
      (await session.sendAcked("", { subject: "pay", idempotent: true })).status,
    well: "acknowledged",
  },
};

function paying(pay: (session: ClientSession) => Promise<string>) {
  const paid = deferred<string>();
  const behaviour: ClientBehaviour = { connecting: (session) => void pay(session).then(paid.resolve) };
  return { behaviour, paid: paid.promise };
}

async function textOf(paid: Promise<Reply>): Promise<string> {
  const reply = await paid;
  return reply.status === "success" ? reply.text() : JSON.stringify(reply);
}

for (const [what, { pay, well }] of Object.entries(ways)) {
  describe(`an early ${what} of which a copy comes to another thread`, () => {
    test("is done once for both, and the client gets the answer", async (t) => {
      const group = await EarlyGroup.begin(t);
      await group.earnTicket();
      const { behaviour, paid } = paying(pay);
      group.relay.block("toServer");
      const joining = group.connect(behaviour, patient);
      await until("it is on its way", () => group.flight.length > 0);
      await replay(group.flight, group.portOf(0), 20);
      assert.equal(
        group.sum(({ early }) => early),
        1,
        "one copy was taken for it",
      );
      await group.leadTo(1);
      group.relay.unblock("toServer");
      const session = await joining;
      assert.equal(await paid, well);
      assert.deepEqual([group.sum(({ early }) => early), group.sum(({ late }) => late)], [1, 0]);
      await until("it has come to the second", () => group.servers[1]!.session(session.id) !== undefined);
    });

    test("waits where that is not answered yet, and gets the same answer", async (t) => {
      const held = deferred();
      const group = await EarlyGroup.begin(t, held.promise);
      await group.earnTicket();
      const { behaviour, paid } = paying(pay);
      group.relay.block("toServer");
      const joining = group.connect(behaviour, patient);
      await until("it is on its way", () => group.flight.length > 0);
      await replay(group.flight, group.portOf(0), 10);
      await group.leadTo(2);
      group.relay.unblock("toServer");
      await joining;
      held.resolve();
      assert.equal(await paid, well);
      assert.deepEqual([group.sum(({ early }) => early), group.sum(({ late }) => late)], [1, 0]);
    });

    test("has no second effect there, behind it", async (t) => {
      const group = await EarlyGroup.begin(t);
      await group.earnTicket();
      const { behaviour, paid } = paying(pay);
      await group.connect(behaviour);
      assert.equal(await paid, well);
      for (const at of [0, 1, 2]) await replay(group.flight, group.portOf(at), 20);
      assert.deepEqual([group.sum(({ early }) => early), group.sum(({ late }) => late)], [1, 0]);
    });
  });
}

describe("a client that comes back early to another thread than its session's", () => {
  test("goes on there, and what it asks is done once", async (t) => {
    const group = await EarlyGroup.begin(t);
    const session = await group.connect({}, { ...patient, reconnect: { delayMs: 1 } });
    const { id } = session;
    await until("the first has given a ticket", () => group.store.size === 1);
    session.send("one");
    await until("it has come", () => group.effects[0]!.messages.length === 1);
    // Its ticket is the second's from now on, and its session the first's.
    await group.leadTo(1);
    session.abandon();
    await until("it has gone on", () => group.effects[0]!.resumed === 1);
    await until("the second has given a ticket", () => group.store.size === 1);
    group.forgetClients();
    group.relay.block("toServer");
    session.abandon();
    await until("it is gone", () => session.state === "reconnecting");
    const paid = session.request("pay", "", { idempotent: true });
    session.send("two");
    await until("it says who it is", () => group.flight.some((datagram) => datagram.length >= 1_200));
    await replay(group.flight, group.portOf(1), 20);
    assert.equal(group.effects[0]!.resumed, 1, "a copy takes up nothing");
    group.relay.unblock("toServer");
    await until("nothing is lost", () => group.effects[0]!.messages.length === 2);
    assert.match(await textOf(paid), /^paid (by|late)/);
    assert.equal(
      group.sum(({ early, late }) => early + late),
      1,
    );
    assert.deepEqual(group.effects[0]!.messages, ["one", "two"]);
    assert.equal(session.id, id);
    assert.equal(group.servers[0]!.session(id)?.state, "open", "the owner stays");
  });
});
