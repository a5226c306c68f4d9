import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { CertificateRefusedError, ConnectionRefusedError } from "millrace";
import type * as quic from "millrace/quic";
import { Authority, createRelay } from "millrace/testing";
import { earlyRelay } from "../kit/early_relay.js";
import { temporaryFolder } from "../kit/folder.js";
import { Loopback } from "../kit/loopback.js";
import { captured, replay } from "../kit/replay.js";
import { SharedThread } from "../kit/shared_thread.js";
import { earnTicket, StolenTicket } from "../kit/tickets.js";
import { until } from "../kit/until.js";

const COPIES = 100;
const REFUSED = "ERR_MILLRACE_ADDRESS_IN_USE";

const loopback = await Loopback.make();
const authority = await Authority.make();
const tls = loopback.identity;

type Options = Parameters<SharedThread["listen"]>[0];
type Behaviour = Parameters<SharedThread["listen"]>[1];

/** Threads that share a listener, in the order in which they joined. */
async function share(
  t: TestContext,
  threads: number,
  options: Options = { tls },
  behaviour?: Behaviour,
): Promise<[SharedThread, ...SharedThread[]]> {
  const first = await SharedThread.start(t);
  assert.equal(await first.listen(options, behaviour), undefined);
  const all: [SharedThread, ...SharedThread[]] = [first];
  while (all.length < threads) all.push(await joinWith(t, first, options, behaviour));
  return all;
}

async function joinWith(
  t: TestContext,
  { port }: SharedThread,
  options: Options = { tls },
  behaviour?: Behaviour,
): Promise<SharedThread> {
  const thread = await SharedThread.start(t);
  assert.equal(await thread.listen({ ...options, port }, behaviour), undefined);
  return thread;
}

describe("threads that share a listener", () => {
  test("take a first flight once, whichever of them its copies come to", async (t) => {
    const times = { handshakeTimeoutMs: 2_000, idleTimeoutMs: 2_000, initialRttMs: 20 };
    const options = { tls, ...times, resumption: { earlyData: true } };
    const behaviour = { earlyData: "accept" } as const;
    const [a] = await share(t, 1, options, behaviour);
    const { port } = a;
    const target = { address: { address: "127.0.0.1", family: "ipv4", port } } as const;
    const ofA = await captured(await earlyRelay(t, loopback, target), effectsOf(a));
    const b = await joinWith(t, a, options, behaviour);
    await replay(ofA.flight, port, COPIES); // they go to both, in turns
    await a.close();
    await replay(ofA.flight, port, COPIES); // all of them to the second
    assert.deepEqual([a.effects, b.effects], [[ofA.text], []]);

    // Not because the second takes no early data: it took this one.
    const ofB = await captured(await earlyRelay(t, loopback, target), effectsOf(b));
    const c = await joinWith(t, b, options, behaviour);
    await b.close();
    await replay(ofB.flight, port, COPIES);
    await replay(ofA.flight, port, COPIES);
    const ofC = await captured(await earlyRelay(t, loopback, target), effectsOf(c));
    assert.deepEqual([a.effects, b.effects, c.effects], [[ofA.text], [ofB.text], [ofC.text]]);
  });

  test("keep the first one's ticket keys when it has left, and any of them replaces them for all", async (t) => {
    const [first, second] = await share(t, 2, { tls, resumption: { ticketKeys: [newKey()] } });
    const { port } = first;
    const resumes = async (store: quic.TicketStore) => {
      const connection = await loopback.connectRaw(t, port, {}, { resumption: { store } });
      const { resumed } = connection;
      await connection.close();
      return resumed;
    };
    const old = new StolenTicket();
    await earnTicket(t, loopback, port, old);
    assert.equal(await resumes(old), true);
    await first.terminate();
    assert.equal(await resumes(old), true);

    assert.equal(await second!.setTicketKeys([newKey()]), undefined);
    assert.equal(await resumes(old), false);
    const renewed = new StolenTicket();
    await earnTicket(t, loopback, port, renewed);

    // The keys that a thread joins with are not asked for; those that it sets are.
    const third = await joinWith(t, second!, { tls, resumption: { ticketKeys: [newKey()] } });
    await second!.close();
    assert.equal(await resumes(renewed), true);
    const fourth = await joinWith(t, third, { tls, resumption: {} });
    assert.equal(await fourth.setTicketKeys([newKey()]), undefined);
    await fourth.close();
    assert.equal(await resumes(renewed), false);
  });

  test("have the certificate that any of them set last, also when the first has left", async (t) => {
    const [old, fresh, last] = await Promise.all(["old", "fresh", "last"].map(named));
    const [first, second] = await share(t, 2, { tls: old! });
    const shown = () => shownBy(t, first.port);
    assert.equal(await shown(), "CN=old");
    await first.terminate();
    assert.equal(await second!.updateTls(fresh!), undefined);
    assert.equal(await shown(), "CN=fresh");

    const third = await SharedThread.start(t);
    assert.equal(await third.listen({ port: first.port, tls: old! }), REFUSED, "what held once does not now");
    assert.equal(await third.listen({ port: first.port, tls: fresh! }), undefined);
    assert.equal(await third.updateTls(last!), undefined);
    await third.close();
    assert.equal(await shown(), "CN=last");
  });

  test("count connections and addresses as one", async (t) => {
    const [a, b] = await share(t, 2, { tls, maxConnections: 4, maxConnectionsPerAddress: 2 });
    const opened = () => [a.opened, b!.opened];
    const here = a.port;
    const [there, elsewhere] = [await wayFrom(t, "127.0.0.9", here), await wayFrom(t, "127.0.0.10", here)];
    const first = await loopback.connectRaw(t, here);
    await loopback.connectRaw(t, here);
    await until("each thread has one of the address", () => opened().join() === "1,1");
    await assert.rejects(loopback.connectRaw(t, here), ConnectionRefusedError);
    await loopback.connectRaw(t, there);
    await loopback.connectRaw(t, there);
    await until("each thread has two", () => opened().join() === "2,2");
    await assert.rejects(loopback.connectRaw(t, elsewhere), ConnectionRefusedError);
    const refused = { connections: 1, connectionsPerAddress: 1, handshakesPerAddress: 0 };
    assert.deepEqual([await a.refused(), await b!.refused()], [refused, refused]);

    await first.close();
    await a.close(); // its connections stay, and count
    const connects = () =>
      loopback.connectRaw(t, elsewhere).then(
        () => true,
        () => false,
      );
    await until("there is room for one more", connects);
    await assert.rejects(loopback.connectRaw(t, elsewhere), ConnectionRefusedError);
  });

  test("judge clients each for itself", async (t) => {
    const asking: quic.ServerTlsOptions = {
      ...tls,
      clientCertificate: "require",
      clientCa: authority.certificate,
    };
    const [kind] = await share(t, 1, { tls: asking }, { letsIn: true });
    const stern = await joinWith(t, kind, { tls: asking }, { letsIn: false });
    const alice = { ca: loopback.ca, ...(await authority.issueClient({ name: "alice" })) };
    const connect = () => loopback.connectRaw(t, kind.port, {}, { tls: alice });
    const first = await connect(); // goes to the first, and those that follow to the one that has none
    await until("it is open", () => kind.opened === 1);
    for (let i = 1; i <= 3; i++) {
      assert.ok((await (await connect()).closed).error instanceof CertificateRefusedError);
      await until("a thread has told that it was asked", () => kind.asked + stern.asked === 1 + i);
      assert.deepEqual([kind.asked, stern.asked], [1, i]);
    }
    assert.equal(first.state, "open");
    assert.equal(stern.opened, 0);
    const trusting = await SharedThread.start(t);
    assert.equal(
      await trusting.listen({ port: kind.port, tls: asking }),
      REFUSED,
      "none would be asked there",
    );
  });

  test("serve the same TLS: another is refused, the same in another form is not", async (t) => {
    const names = { "a.example": await named("a.example"), "b.example": await named("b.example") };
    const folder = temporaryFolder();
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const common: quic.ServerTlsOptions = {
      ...tls,
      serverNames: names,
      cipherSuites: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"],
      keyLogFile: join(folder, "keys.log"),
    };
    const [first] = await share(t, 1, { tls: common });
    const { port } = first;
    const { keyLogFile: _, ...unlogged } = common;
    const { cipherSuites: __, ...anyCipher } = common;
    const { serverNames: ___, ...nameless } = common;
    const others: Readonly<Record<string, quic.ServerTlsOptions>> = {
      "another certificate": { ...common, ...(await authority.issue()) },
      "another name": { ...common, serverNames: { ...names, "c.example": await named("c.example") } },
      "a name's other certificate": { ...common, serverNames: { ...names, "b.example": await named("b") } },
      "no names": nameless,
      "other ciphers": { ...common, cipherSuites: ["TLS_AES_256_GCM_SHA384"] },
      "any cipher": anyCipher,
      "another key log": { ...common, keyLogFile: join(folder, "others.log") },
      "no key log": unlogged,
      "client certificates": {
        ...common,
        clientCertificate: "request",
        clientCa: authority.certificate,
      },
    };
    const joiner = await SharedThread.start(t);
    for (const [what, other] of Object.entries(others)) {
      assert.equal(await joiner.listen({ port, tls: other }), REFUSED, what);
    }
    const same: quic.ServerTlsOptions = {
      ...common,
      certificate: file("certificate.pem", tls.certificate),
      privateKey: file("key.pem", tls.privateKey),
      serverNames: { "b.example": names["b.example"], "A.EXAMPLE": names["a.example"] },
      cipherSuites: ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"],
    };
    assert.equal(await joiner.listen({ port, tls: same }), undefined);
  });
});

function effectsOf(thread: SharedThread): (text: string) => number {
  return (text) => thread.effects.filter((effect) => effect === text).length;
}

function newKey(): quic.TicketKey {
  return { id: randomBytes(16), key: randomBytes(32) };
}

/** An identity that can be told from others. */
function named(name: string) {
  return authority.issue({ names: [name, "127.0.0.1"] });
}

async function shownBy(t: TestContext, port: number): Promise<string | undefined> {
  const connection = await loopback.connectRaw(t, port, {}, { tls: { ca: authority.certificate } });
  const subject = connection.peerCertificate?.subject;
  await connection.close();
  return subject;
}

/** A way to the port from another address of the loopback: its own port. */
async function wayFrom(t: TestContext, sourceAddress: string, port: number): Promise<number> {
  const relay = await createRelay({ target: { address: "127.0.0.1", port }, sourceAddress });
  t.after(() => relay.close());
  return relay.address.port;
}
