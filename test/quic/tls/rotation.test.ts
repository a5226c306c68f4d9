import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  CertificateExpiredError,
  CertificateRequiredError,
  CredentialMismatchError,
  CredentialMissingError,
  CredentialUnreadableError,
  InvalidArgumentError,
  ListenerClosedError,
} from "millrace";
import * as quic from "millrace/quic";
import { Authority, type Identity } from "millrace/testing";
import { Bystander } from "../../kit/bystander.js";
import { Loopback, rawAlpn } from "../../kit/loopback.js";
import { SharedThread } from "../../kit/shared_thread.js";
import { serveTls, type TlsServer } from "../../kit/tls_pair.js";
import { until } from "../../kit/until.js";

const authority = await Authority.make();

/** An identity for localhost that can be told from others. */
function named(name: string): Promise<Identity> {
  return authority.issue({ names: [name, "127.0.0.1"] });
}

async function shownBy(server: TlsServer): Promise<string | undefined> {
  const connection = await server.connect({ ca: authority.certificate });
  return connection.peerCertificate?.subject;
}

describe("updateTls", () => {
  test("shows new clients the new certificate, and leaves open connections alone", async (t) => {
    const server = await serveTls(t, await named("old"));
    const early = await server.connect({ ca: authority.certificate });
    assert.equal(early.peerCertificate?.subject, "CN=old");
    await server.listener.updateTls(await named("new"));
    assert.equal(await shownBy(server), "CN=new");
    assert.equal(early.state, "open");
    const stream = early.openStream();
    stream.write(Buffer.from("still here"));
    await until("it still carries", () => stream.bytesQueued === 0);
  });

  test("refuses what cannot be used, by its own error, and keeps the old one", async (t) => {
    const good = await named("old");
    const server = await serveTls(t, good);
    const { privateKey } = await named("other");
    const expired = await authority.issue({ validFromDays: -13, validToDays: -1 });
    for (const [tls, error] of [
      [expired, CertificateExpiredError],
      [{ ...good, privateKey }, CredentialMismatchError],
      [
        { ...good, certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
        CredentialUnreadableError,
      ],
      [{ ...good, certificate: join("/", "nowhere", "to", "be", "found") }, CredentialMissingError],
      [{ ...good, serverNames: { "a.example": expired } }, CertificateExpiredError],
      [{ ...good, clientCertificate: "require" }, InvalidArgumentError],
      [{}, InvalidArgumentError],
      [undefined, InvalidArgumentError],
    ] as const) {
      await assert.rejects(server.listener.updateTls(tls as quic.ServerTlsOptions), error);
      assert.equal(await shownBy(server), "CN=old");
    }
  });

  test("changes everything that TLS was told: names and clients' certificates", async (t) => {
    const old = await named("old");
    const server = await serveTls(t, { ...old, serverNames: { "a.example": await named("a.example") } });
    await server.listener.updateTls({
      ...old,
      clientCertificate: "require",
      clientCa: authority.certificate,
    });
    const anonymous = await server.connect({ ca: authority.certificate });
    assert.ok((await anonymous.closed).error instanceof CertificateRequiredError);
    await server.listener.updateTls(old);
    assert.equal(await shownBy(server), "CN=old");
  });

  test("called twice at once ends with the second, however much longer the first takes to read", async (t) => {
    const server = await serveTls(t, await named("old"));
    const [slow, last] = await Promise.all([named("slow"), named("last")]);
    const many = Array.from({ length: 200 }, (_, i) => [`h${i}.example`, slow] as const);
    const calls = [
      server.listener.updateTls({ ...slow, serverNames: Object.fromEntries(many) }),
      server.listener.updateTls({} as quic.ServerTlsOptions),
      server.listener.updateTls(last),
    ];
    const outcomes = await Promise.allSettled(calls);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.equal(await shownBy(server), "CN=last");
  });

  test("after the listener has closed is refused", async (t) => {
    const identity = await named("old");
    const server = await serveTls(t, identity);
    await server.listener.close();
    await assert.rejects(server.listener.updateTls(identity), ListenerClosedError);
  });

  test("while clients connect, again and again, fails none of them, and none gets what was never set", async (t) => {
    const identities = await Promise.all(["one", "two", "three"].map(named));
    const server = await serveTls(t, identities[0]!);
    const seen = new Set<string | undefined>();
    let rotations = 0;
    let rotating = true;
    const rotate = async () => {
      while (rotating) {
        rotations += 1;
        await server.listener.updateTls(identities[rotations % identities.length]!);
      }
    };
    const connectMany = async () => {
      for (let i = 0; i < 40; i++) {
        const connection = await server.connect({ ca: authority.certificate });
        seen.add(connection.peerCertificate?.subject);
        await connection.close();
      }
    };
    const rotated = rotate();
    await Promise.all(Array.from({ length: 5 }, connectMany));
    rotating = false;
    await rotated;
    assert.ok(rotations > 10, `${rotations} rotations`);
    assert.deepEqual([...seen].sort(), ["CN=one", "CN=three", "CN=two"]);
  });

  test("a hundred times, half of them with what cannot be used, holds up no connection that is open", async (t) => {
    const loopback = await Loopback.make();
    const listener = await loopback.listenRaw(t, { data: (stream, chunk) => void stream.write(chunk) });
    const bystander = await Bystander.open(t, loopback, listener.address.port);
    const good = await Promise.all(["one", "two"].map(named));
    const expired = await authority.issue({ validFromDays: -13, validToDays: -1 });
    const bad = [
      expired,
      { ...good[0]!, privateKey: expired.privateKey },
      { ...good[0]!, certificate: "none" },
    ];
    let refused = 0;
    for (let rotation = 0; rotation < 100; rotation++) {
      const before = bystander.roundTrips;
      const isBad = rotation % 2 === 1;
      const tls = isBad ? bad[refused % bad.length]! : good[(rotation / 2) % good.length]!;
      const updated = listener.updateTls(tls);
      if (isBad) await assert.rejects(updated);
      else await updated;
      if (isBad) refused += 1;
      await until("a round trip was made", () => bystander.roundTrips > before);
    }
    await bystander.assertUnharmed();
    const url = `quic://127.0.0.1:${listener.address.port}`;
    const newcomer = await quic.connect(url, { alpn: [rawAlpn], tls: { ca: authority.certificate } });
    t.after(() => newcomer.close({ graceful: false }));
    assert.equal(newcomer.peerCertificate?.subject, "CN=two");
  });

  test("by one thread holds for all that share the listener", async (t) => {
    const old = await named("old");
    const server = await serveTls(t, old, { shared: true });
    const { port } = server.listener.address;
    const other = await SharedThread.start(t);
    assert.equal(await other.listen({ port, tls: old }), undefined);
    await server.listener.updateTls(await named("new"));
    for (let i = 0; i < 10; i++) assert.equal(await shownBy(server), "CN=new");
    await until("all have been accepted", () => server.opened.length + other.opened === 10);
    assert.ok(other.opened > 0, "some of them by the other thread");
  });
});
