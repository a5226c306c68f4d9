import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { TransferFailedError } from "millrace";
import { sendLarge, serverReceivesLarge } from "millrace/large";
import { FailureCode } from "millrace/server";
import { AckLevel } from "#internal/delivery/ack.js";
import { type Confirmation, readConfirmation } from "#internal/delivery/confirmation.js";
import { largeSubject } from "#internal/delivery/large_subject.js";
import { withMarks } from "#internal/delivery/marks.js";
import { u32 } from "#internal/delivery/meta.js";
import { Kind, type MetaEntry } from "#internal/frame/frame.js";
import { type Part, partMeta } from "#internal/large/part.js";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";
import { RawClient } from "./raw_client.js";

interface Said {
  readonly part: Part | readonly MetaEntry[];
  readonly bytes?: number;
}

const chunk = (index: number, bytes: number): Said => ({ part: { kind: "chunk", index }, bytes });
const end = (index: number, totalBytes: number): Said => ({ part: { kind: "end", index, totalBytes } });

/** What breaks the rules: the last of each is rejected, and so is the large message. */
const breaches: Readonly<Record<string, readonly Said[]>> = {
  "more bytes than were said": [chunk(0, 600), chunk(1, 401)],
  "a chunk twice": [chunk(0, 100), chunk(0, 100)],
  "a chunk twice, out of order": [chunk(1, 100), chunk(1, 100)],
  "more than may be on its way": Array.from({ length: 40 }, (_, i) => chunk(i + 1, 10)),
  "a chunk without bytes": [chunk(0, 0)],
  "an end before what has come": [chunk(5, 10), end(5, 1_000)],
  "a chunk behind the end": [end(2, 1_000), chunk(2, 10)],
  "two ends": [end(2, 1_000), end(2, 1_000)],
  "another end than was said": [end(2, 900)],
  "no part": [{ part: [] }],
  "two parts in one": [{ part: [...partMeta({ kind: "chunk", index: 0 }), ...partMeta({ kind: "abort" })] }],
  "the same twice in one": [
    { part: [...partMeta({ kind: "chunk", index: 0 }), ...partMeta({ kind: "chunk", index: 0 })] },
  ],
  "a place of another size": [{ part: [{ key: "chunk", value: new Uint8Array(3) }] }],
};

export function describeLargeBadPeers(kit: SessionKit): void {
  describe("who breaks the rules of large messages", () => {
    test("costs itself the message, and nobody else anything", async (t) => {
      const { offered, failures, unharmed } = await serve(kit, t);
      for (const [name, said] of Object.entries(breaches)) {
        const peer = await offered();
        for (const one of said) peer.say(one);
        const rejection = await peer.rejection();
        assert.equal(rejection.rejection?.code, FailureCode.malformed, name);
        await until("its handler is told", () => failures.length === 1);
        const failure = failures.shift();
        assert.ok(
          failure instanceof TransferFailedError && failure.failureCode === FailureCode.malformed,
          name,
        );
        peer.say(chunk(9, 10));
        assert.equal(
          (await peer.rejection()).rejection?.reason,
          rejection.rejection?.reason,
          "it is told again",
        );
      }
      await unharmed();
    });

    test("is told that fewer bytes came than it says, and its handler has no whole", async (t) => {
      const { offered, failures, unharmed } = await serve(kit, t);
      const peer = await offered();
      peer.say(chunk(0, 600));
      peer.say(end(1, 1_000));
      assert.match((await peer.rejection()).rejection!.reason, /fewer bytes/);
      await until("its handler is told", () => failures.length === 1);
      await unharmed();
    });

    test("is told of parts of what nobody knows, or that say not who waits for them", async (t) => {
      const { offered, failures, unharmed } = await serve(kit, t);
      const peer = await offered();
      peer.say(chunk(0, 10), 77);
      assert.equal((await peer.rejection()).rejection?.code, FailureCode.unknownSubject);
      peer.say(chunk(0, 10), 1, AckLevel.received);
      assert.equal((await peer.rejection()).rejection?.code, FailureCode.malformed);
      await until("its handler is told", () => failures.length === 1);
      await unharmed();
    });

    test("has its offers refused that are none, and those of a number that is another's", async (t) => {
      const { server, offered, unharmed } = await serve(kit, t);
      const client = await kit.join(t, server);
      const offer = { id: 1, windowBytes: 8_192 };
      const wrong = [
        "",
        "{}",
        "null",
        "[]",
        "\xff",
        JSON.stringify({ ...offer, id: -1 }),
        JSON.stringify({ ...offer, windowBytes: 1 }),
        JSON.stringify({ ...offer, totalBytes: 1.5 }),
        JSON.stringify({ ...offer, subject: "" }),
        JSON.stringify({ ...offer, colour: "red" }),
        JSON.stringify({ ...offer, about: "x".repeat(16_384) }),
      ];
      for (const text of wrong) {
        const reply = await client.request(largeSubject, text);
        assert.equal(reply.status === "failure" && reply.code, FailureCode.malformed, text.slice(0, 80));
      }
      const peer = await offered();
      peer.offer();
      const answer = await peer.raw.next();
      assert.deepEqual(
        [answer.kind, answer.meta![0]!.value],
        [Kind.Response, u32(FailureCode.malformed, "")],
      );
      await unharmed();
    });

    test("is not known for ever, however many of its messages have failed", async (t) => {
      const { offered, failures, unharmed } = await serve(kit, t);
      const peer = await offered();
      const count = 40;
      for (let id = 1; id <= count; id += 1) {
        if (id > 1) {
          peer.offer(id);
          await until("it is taken", async () => (await peer.raw.next()).kind === Kind.Response);
        }
        peer.say(chunk(0, 0), id);
        await peer.rejection();
      }
      await until("all have failed", () => failures.length === count);
      peer.say(chunk(0, 10), 1);
      assert.equal((await peer.rejection()).rejection?.code, FailureCode.unknownSubject, "long gone");
      peer.say(chunk(0, 10), count);
      assert.equal((await peer.rejection()).rejection?.code, FailureCode.malformed, "just now");
      await unharmed();
    });

    test("is refused what it sends before it is let in", async (t) => {
      const gate = deferred();
      const failures: unknown[] = [];
      const server = await kit.serve(
        t,
        serverReceivesLarge(
          {},
          {
            large: async (_session, message) => {
              await gate.promise;
              await message.toBytes().catch((cause) => failures.push(cause));
            },
          },
        ),
      );
      const peer = await Peer.begin(kit, t, server);
      peer.offer();
      peer.say(chunk(0, 10));
      assert.match((await peer.rejection()).rejection!.reason, /not accepted/);
      gate.resolve();
      await until("its handler is told", () => failures.length === 1);
      assert.equal(server.sessionCount, 1);
    });
  });
}

async function serve(kit: SessionKit, t: TestContext) {
  const failures: unknown[] = [];
  const server = await kit.serve(
    t,
    serverReceivesLarge(
      {},
      {
        windowBytes: 8_192,
        large: async (_session, message) => {
          try {
            await message.toBytes();
          } catch (cause) {
            failures.push(cause);
            throw cause;
          }
        },
      },
    ),
  );
  const innocent = await kit.join(t, server);
  const unharmed = async () => {
    assert.deepEqual(await sendLarge(innocent, new Uint8Array(100_000)), { bytes: 100_000 });
    assert.deepEqual(
      failures,
      failures.filter((cause) => cause instanceof TransferFailedError),
    );
  };
  await unharmed();
  const offered = async () => {
    const peer = await Peer.begin(kit, t, server);
    peer.offer();
    const answer = await peer.raw.next();
    assert.deepEqual([answer.kind, answer.meta], [Kind.Response, []]);
    return peer;
  };
  return { server, failures, offered, unharmed };
}

/** Sends large messages as nobody should. */
class Peer {
  readonly raw: RawClient;
  #sequence = 0;

  private constructor(raw: RawClient) {
    this.raw = raw;
  }

  static async begin(kit: SessionKit, t: TestContext, server: Parameters<typeof RawClient.connect>[2]) {
    const raw = await RawClient.connect(t, kit.under, server);
    await raw.begin();
    return new Peer(raw);
  }

  offer(id = 1): void {
    const payload = Buffer.from(JSON.stringify({ id, windowBytes: 8_192, totalBytes: 1_000 }));
    this.#sequence += 1;
    this.raw.say({ kind: Kind.Request, seq: this.#sequence, type: id, subject: largeSubject, payload });
  }

  say({ part, bytes = 0 }: Said, id = 1, level: number = AckLevel.delivered): void {
    const meta = withMarks("kind" in part ? partMeta(part) : part, undefined, level) ?? [];
    const payload = new Uint8Array(bytes);
    this.#sequence += 1;
    this.raw.say({ kind: Kind.Message, seq: this.#sequence, type: id, subject: largeSubject, meta, payload });
  }

  /** The next that it is told. */
  async rejection(): Promise<Confirmation> {
    for (;;) {
      const frame = await this.raw.next();
      if (frame.kind !== Kind.Ack) continue;
      const confirmation = readConfirmation(frame);
      if (confirmation.level === AckLevel.rejected) return confirmation;
    }
  }
}
