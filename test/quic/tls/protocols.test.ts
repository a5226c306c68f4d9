import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AddressInUseError, ProtocolMismatchError } from "millrace";
import * as quic from "millrace/quic";
import { Authority } from "millrace/testing";
import { serveTls } from "../../kit/tls_pair.js";

const authority = await Authority.make();
const identity = await authority.issue();

describe("protocols", () => {
  test("are negotiated by the server's order, and both sides know which", async (t) => {
    const server = await serveTls(t, identity, { alpn: ["first", "second"] });
    for (const [offered, agreed] of [
      [["second", "first"], "first"],
      [["second"], "second"],
      [["unknown", "second"], "second"],
    ] as const) {
      const [client, accepted] = await Promise.all([
        server.connect({ ca: authority.certificate }, {}, { alpn: offered }),
        server.next(),
      ]);
      assert.deepEqual([client.protocol, accepted.protocol], [agreed, agreed]);
    }
  });

  test("that have nothing in common are a ProtocolMismatchError", async (t) => {
    const server = await serveTls(t, identity, { alpn: ["first"] });
    const { handshakesWithoutProtocol } = quic.quicCounters();
    const attempt = server.connect({ ca: authority.certificate }, {}, { alpn: ["second"] });
    await assert.rejects(attempt, ProtocolMismatchError);
    assert.equal(quic.quicCounters().handshakesWithoutProtocol, handshakesWithoutProtocol + 1);
  });

  test("of one port may be served by listeners of their own, with their own certificates", async (t) => {
    const chat = await serveTls(t, await authority.issue({ names: ["chat", "127.0.0.1"] }), {
      alpn: ["chat"],
    });
    const { port } = chat.listener.address;
    const echo = await serveTls(t, await authority.issue({ names: ["echo", "127.0.0.1"] }), {
      alpn: ["echo"],
      port,
    });
    assert.equal(echo.listener.address.port, port);
    for (const [server, other, name] of [
      [chat, echo, "chat"],
      [echo, chat, "echo"],
    ] as const) {
      const before = other.opened.length;
      const [client] = await Promise.all([
        server.connect({ ca: authority.certificate }, {}, { alpn: [name] }),
        server.next(),
      ]);
      assert.equal(client.peerCertificate?.subject, `CN=${name}`);
      assert.equal(other.opened.length, before, "the other one has not heard of it");
    }
    await chat.listener.close();
    await assert.rejects(
      chat.connect({ ca: authority.certificate }, {}, { alpn: ["chat"] }),
      ProtocolMismatchError,
    );
    await echo.connect({ ca: authority.certificate }, {}, { alpn: ["echo"] });
  });

  test("that another listener of this process serves on the port are an AddressInUseError", async (t) => {
    const server = await serveTls(t, identity, { alpn: ["one", "two"] });
    const { port } = server.listener.address;
    for (const alpn of [["one"], ["two", "three"]]) {
      const again = quic.listen({ host: "127.0.0.1", port, alpn, tls: identity }, {});
      await assert.rejects(again, (error: Error) => {
        assert.ok(error instanceof AddressInUseError);
        assert.match(error.message, /already has a listener for these protocols/);
        return true;
      });
    }
  });
});

describe("cipher suites", () => {
  test("are those of the list, and sides without a common one do not connect", async (t) => {
    const server = await serveTls(t, { ...identity, cipherSuites: ["TLS_AES_128_GCM_SHA256"] });
    const connect = (...cipherSuites: quic.CipherSuite[]) =>
      server.connect({ ca: authority.certificate, cipherSuites });
    await connect("TLS_AES_128_GCM_SHA256");
    await connect("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256");
    await assert.rejects(connect("TLS_CHACHA20_POLY1305_SHA256"), { code: "ERR_MILLRACE_HANDSHAKE_FAILED" });
    await assert.rejects(connect(), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
    await assert.rejects(connect("TLS_NULL" as quic.CipherSuite), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
  });
});
