import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, test } from "node:test";
import { connect, InvalidArgumentError, listen } from "millrace";
import {
  type AnnounceOptions,
  announce,
  type DiscoverOptions,
  discover,
  type FoundService,
} from "millrace/udp";
import { Envelope } from "#internal/udp/envelope.js";
import { encodeQuery, encodeReply, reachableUrl } from "#internal/udp/service.js";
import { until } from "../kit/until.js";
import {
  announced,
  datagram,
  fates,
  hotFrame,
  loopbacks,
  query,
  requestKind,
  Stranger,
  secret,
} from "./kit.js";

const patience = 20_000;

/** The next ones, so many. */
async function find(count: number, options: DiscoverOptions): Promise<FoundService[]> {
  const found: FoundService[] = [];
  for await (const service of discover({ timeoutMs: patience, ...options })) {
    found.push(service);
    if (found.length === count) break;
  }
  return found;
}

for (const { family, address, ...medium } of loopbacks) {
  describe(`over ${family}`, () => {
    test("a service is found by its name, and told where it answered from", async (t) => {
      const urls = ["quic://example.net:4433", "wss://example.net:4434/chat?a=b"];
      const announcement = await announced(t, { ...medium, urls });
      const { port } = announcement.address;
      const [found] = await find(1, { ...medium, secret, port, name: "room" });
      assert.deepEqual([found!.name, found!.urls], ["room", urls]);
      assert.equal(found!.address.address, address);
      assert.equal(found!.address.port, port);
      const { taken, sent, received } = announcement.counters;
      assert.deepEqual([taken, sent, received], [1, 1, 1]);
    });

    test("a URL of all addresses is given the one that answered", async (t) => {
      const { port } = (
        await announced(t, { ...medium, urls: ["tcp://[::]:7", "tcp://0.0.0.0:8", "ws://[::]:9/x"] })
      ).address;
      const [found] = await find(1, { ...medium, secret, port });
      const host = family === "IPv6" ? "[::1]" : "127.0.0.1";
      const second = family === "IPv6" ? [] : [`tcp://${host}:8`]; // who listens on IPv4 only is not reached by IPv6
      assert.deepEqual(found!.urls, [`tcp://${host}:7`, ...second, `ws://${host}:9/x`]);
    });

    test("what is found can be connected to", async (t) => {
      const echo = {
        message: (connection: { send(bytes: Uint8Array): unknown }, bytes: Uint8Array) =>
          connection.send(bytes),
      };
      const host = family === "IPv6" ? "[::]" : "0.0.0.0";
      const listener = await listen(`tcp://${host}:0`, echo);
      t.after(() => listener.close());
      const { port } = (await announced(t, { ...medium, urls: listener.urls })).address;
      const [found] = await find(1, { ...medium, secret, port });
      const client = await connect(found!.urls[0]!);
      client.send(Buffer.from("found"));
      for await (const message of client) {
        assert.equal(Buffer.from(message).toString(), "found");
        break;
      }
      await client.close();
    });

    test("who has another secret neither finds nor is found", async (t) => {
      const announcement = await announced(t, medium);
      const { port } = announcement.address;
      const search = discover({ ...medium, secret: "another secret of some length", port, timeoutMs: 300 });
      for await (const service of search) assert.fail(`found ${service.name}`);
      await until("the query was judged", () => announcement.counters.forged > 0);
      assert.equal(announcement.counters.sent, 0);
      assert.equal(search.counters.received, 0);
    });

    test("no query, of whatever length, is answered by more bytes than it has, nor by more than one datagram", async (t) => {
      const urls = Array.from({ length: 16 }, (_, index) => `tcp://10.0.0.${index}:40000/${"x".repeat(10)}`);
      const name = "a name of some length";
      const announcement = await announced(t, {
        ...medium,
        name,
        urls,
        maxRepliesPerSource: 10_000,
        maxRepliesPerSecond: 10_000,
      });
      const { port } = announcement.address;
      const stranger = await Stranger.open(t, address);
      const reader = new Envelope([Buffer.from(secret)]);
      const answers = new Map<number, number>();
      for (let bytes = 112; bytes <= 1232; bytes += 7) {
        const before = stranger.bytesReceived;
        const { sent, unanswered } = announcement.counters;
        await stranger.send(query(bytes), port, address);
        await until("it was judged", () => {
          const now = announcement.counters;
          return now.sent + now.unanswered === sent + unanswered + 1;
        });
        if (announcement.counters.sent > sent)
          await until("the answer has come", () => stranger.bytesReceived > before);
        assert.ok(
          stranger.bytesReceived - before <= bytes,
          `${stranger.bytesReceived - before} for ${bytes}`,
        );
        answers.set(bytes, stranger.bytesReceived - before);
      }
      assert.equal(answers.get(112), 0, "too short for any answer");
      assert.ok(answers.get(525)! > 0, "long enough for some of the URLs");
      assert.ok(answers.get(1232)! > answers.get(525)!);
      for (const reply of stranger.received) {
        assert.equal(typeof reader.open(reply, Date.now(), 30_000), "object");
      }
    });

    test("forged, recorded, old, oversized and shapeless datagrams are not answered, and who has the secret is", async (t) => {
      const announcement = await announced(t, medium);
      const { port } = announcement.address;
      const stranger = await Stranger.open(t, address);
      const send = (bytes: Uint8Array) => stranger.send(bytes, port, address);
      const recorded = query(1232);
      await send(recorded);
      await until("it was answered", () => stranger.received.length === 1);
      const rounds = 50;
      for (let round = 0; round < rounds; round++) {
        await send(recorded);
        await send(query(1232, { key: "another secret of some length" }));
        await send(query(1232, { timeMs: Date.now() - 60_000 }));
        await send(query(1232, { timeMs: Date.now() + 60_000 }));
        await send(Buffer.alloc(1_400, 1)); // oversized, and whole on a link of 1,500
        await send(Buffer.alloc(64));
        await send(stranger.received[0]!); // an answer is no query
        // So few that the receive buffer holds them.
        await until("the round was judged", () => announcement.counters.received === 7 * round + 8);
      }
      const found = await find(1, { ...medium, secret, port });
      assert.equal(found.length, 1);
      assert.equal(announcement.counters.received, 7 * rounds + 2);
      const { taken, forged, late, replayed, malformed, own } = announcement.counters;
      assert.deepEqual([taken, forged, replayed], [2, rounds, rounds]);
      assert.deepEqual([late, malformed, own], [2 * rounds, 2 * rounds, rounds]);
      assert.equal(fates(announcement.counters), announcement.counters.received);
      assert.equal(stranger.received.length, 1);
    });

    test("a datagram as large as UDP has them is malformed", async (t) => {
      const announcement = await announced(t, medium);
      const stranger = await Stranger.open(t, address);
      await stranger.send(Buffer.alloc(65_000), announcement.address.port, address);
      await until("it was judged", () => announcement.counters.malformed === 1);
    });
  });
}

test("a link-local address is put into a URL with its zone, without which it leads nowhere", () => {
  const from = { address: "fe80::1%eth0", family: "ipv6", port: 1 } as const;
  assert.equal(reachableUrl("tcp://[::]:7/a", from), "tcp://[fe80::1%25eth0]:7/a");
  assert.equal(reachableUrl("tcp://0.0.0.0:7", from), undefined);
  assert.equal(reachableUrl("tcp://example.net:7/a", from), "tcp://example.net:7/a");
  assert.equal(reachableUrl("no url", from), undefined);
});

const [{ family: _family, address: _address, ...medium }] = loopbacks;

test("services of one port are all found, each once, and by name the one alone", async (t) => {
  const { port } = (await announced(t, { ...medium, name: "one" })).address;
  const two = await announced(t, { ...medium, name: "two", port });
  const both = await find(2, { ...medium, secret, port, intervalMs: 100 });
  assert.deepEqual(both.map(({ name }) => name).sort(), ["one", "two"]);
  const enough = new AbortController();
  const found: string[] = [];
  const search = assert.rejects(
    async () => {
      const { signal } = enough;
      const options = { ...medium, secret, port, name: "two", intervalMs: 100, timeoutMs: 0, signal };
      for await (const { name } of discover(options)) found.push(name);
    },
    { code: "ERR_MILLRACE_ABORTED" },
  );
  const { sent } = two.counters;
  await until("it was asked again and again", () => two.counters.sent > sent + 2 && found.length > 0);
  enough.abort();
  await search;
  assert.deepEqual(found, ["two"]);
});

test("a service that comes later, or changes its URLs, is told of while the search goes on", async (t) => {
  const first = await announced(t, { ...medium, urls: ["tcp://127.0.0.1:1"] });
  const { port } = first.address;
  const seen: (readonly string[])[] = [];
  for await (const { urls } of discover({ ...medium, secret, port, intervalMs: 100, timeoutMs: patience })) {
    seen.push(urls);
    if (seen.length === 2) break;
    await first.close();
    await announced(t, { ...medium, port, urls: ["tcp://127.0.0.1:2"] });
  }
  assert.deepEqual(seen, [["tcp://127.0.0.1:1"], ["tcp://127.0.0.1:2"]]);
});

test("a secret is changed without a moment in which nobody finds", async (t) => {
  const fresh = "the secret of tomorrow, say";
  const { port } = (await announced(t, { ...medium, secret: [secret, fresh] })).address;
  assert.equal((await find(1, { ...medium, secret, port })).length, 1);
  assert.equal((await find(1, { ...medium, secret: [fresh, secret], port })).length, 1);
});

test("one address, and all together, are answered so often in a second and no more", async (t) => {
  for (const [options, most] of [
    [{ maxRepliesPerSource: 3 }, 3],
    [{ maxRepliesPerSecond: 5, maxRepliesPerSource: 1_000 }, 5],
  ] as const) {
    const announcement = await announced(t, { ...medium, ...options });
    const { port } = announcement.address;
    const stranger = await Stranger.open(t, "127.0.0.1");
    const begun = performance.now();
    for (let count = 0; count < 40; count++) await stranger.send(query(), port, "127.0.0.1");
    await until("all was judged", () => announcement.counters.taken === 40);
    const seconds = Math.ceil((performance.now() - begun) / 1_000) + 1;
    const { sent, unanswered } = announcement.counters;
    assert.ok(sent >= most && sent <= most * seconds, `${sent} answers in ${seconds} s`);
    assert.equal(sent + unanswered, 40);
  }
});

test("one address that asks too often does not keep another from its answer", async (t) => {
  const { port } = (await announced(t, { ...medium, maxRepliesPerSource: 1 })).address;
  const greedy = await Stranger.open(t, "127.0.0.2");
  for (let count = 0; count < 30; count++) await greedy.send(query(), port, "127.0.0.1");
  const modest = await Stranger.open(t, "127.0.0.3");
  await modest.send(query(), port, "127.0.0.1");
  await until("it was answered", () => modest.received.length === 1);
});

test("an answer to what somebody else asked, and one that says nothing, are not found", async (t) => {
  const envelope = new Envelope([Buffer.from(secret)]);
  const { port } = (await announced(t, { ...medium, name: "real" })).address;
  // It has the secret, hears the query as the announcer does, and answers it wrongly.
  const liar = createSocket({ type: "udp4", reuseAddr: true });
  t.after(() => liar.close());
  await new Promise<void>((resolve) => liar.bind(port, "0.0.0.0", resolve));
  liar.addMembership(medium.group, "127.0.0.1");
  const urls = ["tcp://127.0.0.1:1"];
  const noUrl = { name: "real", urls: ["not a url"] };
  liar.on("message", (message, { port, address }) => {
    const nonce = message.subarray(16, 32);
    const future = Buffer.from(nonce);
    future.writeBigUInt64LE(1_000n, 8); // of the same sender, and not yet asked
    for (const frame of [
      encodeReply({ name: "fake", urls }, new Uint8Array(16)),
      encodeReply({ name: "fake", urls }, future),
      encodeReply({ name: "other", urls }, nonce),
      encodeReply(noUrl, nonce),
      encodeReply({ name: "real", urls: [] }, nonce),
      encodeQuery(undefined),
    ]) {
      liar.send(envelope.seal(frame, Date.now()), port, address);
    }
  });
  const enough = new AbortController();
  const options = { ...medium, secret, port, name: "real", intervalMs: 60_000, timeoutMs: 0 };
  const search = discover({ ...options, signal: enough.signal });
  const found: FoundService[] = [];
  const ended = assert.rejects(
    async () => {
      for await (const service of search) found.push(service);
    },
    { code: "ERR_MILLRACE_ABORTED" },
  );
  await until("all answers have come", () => search.counters.received === 7 && found.length > 0);
  enough.abort();
  await ended;
  assert.equal(found.length, 1);
  assert.deepEqual(found[0]!.urls, urls);
  const { ignored, malformed } = search.counters;
  assert.deepEqual([ignored, malformed], [4, 2]);
});

test("a search ends with its time, at once with its signal, and when it is left", async (t) => {
  const { port } = (await announced(t, medium)).address;
  const options = { ...medium, secret, port };
  const found = [];
  for await (const { name } of discover({ ...options, timeoutMs: 2_000 })) found.push(name);
  assert.deepEqual(found, ["room"]); // and then the time was over
  const controller = new AbortController();
  const aborted = async () => {
    for await (const _ of discover({ ...options, timeoutMs: 0, signal: controller.signal }))
      controller.abort();
  };
  await assert.rejects(aborted(), { code: "ERR_MILLRACE_ABORTED" });
  await assert.rejects(aborted(), { code: "ERR_MILLRACE_ABORTED" }, "before it began");
  const search = discover(options);
  for await (const _ of search) break;
  await assert.rejects(
    async () => {
      for await (const _ of search) assert.fail("iterated twice");
    },
    { code: "ERR_MILLRACE_READER_LOCKED" },
  );
});

test("a closed announcement answers nobody, and its port is free", async (t) => {
  const announcement = await announced(t, medium);
  const { port } = announcement.address;
  await announcement.close();
  await announcement.close();
  for await (const service of discover({ ...medium, secret, port, timeoutMs: 200 }))
    assert.fail(service.name);
  await announced(t, { ...medium, port });
});

test("options that are wrong are refused, by name", async () => {
  const right = { name: "room", urls: ["tcp://a:1"], secret, port: 1 };
  for (const [wrong, message] of [
    [
      { secret: "too short" },
      /^secret must be 16 to 1024 bytes, as a string or Uint8Array, or a list of 1 to 4/,
    ],
    [{ secret: [] }, /^secret must be/],
    [{ secret: [secret, "short"] }, /^secret must be/],
    [{ port: 65_536 }, /^port must be an integer from 0 to 65535/],
    [{ group: "room" }, /^group must be an IPv4 or IPv6 address/],
    [{ group: "ff02::1%lo" }, /^group must be/],
    [{ windowMs: 999 }, /^windowMs must be/],
    [{ maxNonces: 15 }, /^maxNonces must be/],
    [{ name: "" }, /^name must be a string of 1 to 255 bytes/],
    [{ name: "é".repeat(128) }, /^name must be/],
    [{ urls: [] }, /^urls must be a list of 1 to 16 URLs/],
    [{ urls: ["nowhere"] }, /is not a URL/],
    [{ urls: ["tcp://a:1/".padEnd(1_200, "x")] }, /^name and urls take \d+ bytes; a datagram holds 1168$/],
    [{ address: "::1" }, /^address ::1 is of another family than the group/],
    [{ nickname: "r" }, /^there is no option "nickname"/],
  ] as const) {
    await assert.rejects(announce({ ...right, ...wrong } as AnnounceOptions), (error: Error) => {
      assert.ok(error instanceof InvalidArgumentError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => discover({ secret, port: 0 }), /port must be an integer from 1 to 65535/);
  assert.throws(() => discover({ secret, port: 1, intervalMs: 1 }), /intervalMs must be/);
});

test("an interface that is not there, and an address of another machine, are unavailable", async () => {
  const options = { name: "room", urls: ["tcp://a:1"], secret, port: 0 };
  await assert.rejects(announce({ ...options, interface: "none0" }), {
    code: "ERR_MILLRACE_ADDRESS_UNAVAILABLE",
  });
  await assert.rejects(announce({ ...options, address: "203.0.113.1" }), {
    code: "ERR_MILLRACE_ADDRESS_UNAVAILABLE",
  });
  const search = async () => {
    for await (const _ of discover({ secret, port: 1, interface: "none0" })) assert.fail("found");
  };
  await assert.rejects(search(), { code: "ERR_MILLRACE_ADDRESS_UNAVAILABLE" });
});

test("a port that another program has for itself is in use", async (t) => {
  const owner = createSocket("udp4");
  t.after(() => owner.close());
  await new Promise<void>((resolve) => owner.bind(0, "0.0.0.0", resolve));
  await assert.rejects(announced(t, { ...medium, port: owner.address().port }), {
    code: "ERR_MILLRACE_ADDRESS_IN_USE",
    message: /^UDP 0\.0\.0\.0:\d+ is in use/,
  });
});

test("a query by hand is answered by name, and by one that is not its own not at all", async (t) => {
  const announcement = await announced(t, medium);
  const { port } = announcement.address;
  const stranger = await Stranger.open(t, "127.0.0.1");
  await stranger.send(datagram(Buffer.from(encodeQuery("elsewhere"))), port, "127.0.0.1");
  await stranger.send(datagram(hotFrame(4, new Uint8Array(500))), port, "127.0.0.1");
  await stranger.send(datagram(hotFrame(requestKind, new Uint8Array(1_000))), port, "127.0.0.1");
  await until("all was judged", () => announcement.counters.received === 3);
  assert.deepEqual([announcement.counters.ignored, announcement.counters.taken], [2, 1]);
  await until("the answer has come", () => stranger.received.length === 1);
});
