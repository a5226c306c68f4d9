import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type * as quic from "millrace/quic";
import { CertificateRequiredError } from "#internal/errors.js";
import { until } from "../kit/until.js";
import { alpn, type Linker, type Stack } from "./link.js";
import { Ours } from "./ours.js";
import type { PeerFailure } from "./peer.js";

/** Clients with certificates of their own. */
export function describeMutualTls(stack: Stack, linker: () => Linker): void {
  describe(`between millrace and ${stack.name}, mutual TLS`, () => {
    const asks = () =>
      ({ ...linker().identity, clientCertificate: "require", clientCa: linker().ca }) as const;

    test("shows the certificate of the peer's client to the application, which lets it in", async (t) => {
      const shown: (string | undefined)[] = [];
      const ours = new Ours({
        authenticate: (peer) => {
          shown.push(peer.certificate?.subject);
          return true;
        },
      });
      const listener = await linker().listen(t, ours, { tls: asks() });
      const peer = await linker().peerClient(t, listener.address.port, guestArguments(linker()));
      await peer.do("connect");
      const connection = await ours.opened.take();
      assert.match(connection.peerCertificate?.subject ?? "", /CN=guest/);
      assert.deepEqual(shown, [connection.peerCertificate?.subject]);
    });

    test("ends the handshake of a client that the application refuses, or that shows nothing", async (t) => {
      const listener = await linker().listen(t, new Ours({ authenticate: () => false }), { tls: asks() });
      for (const args of [guestArguments(linker()), ["--alpn", alpn]]) {
        const peer = await linker().peerClient(t, listener.address.port, args);
        // A client of TLS 1.3 has a connection before its certificate was judged: the refusal may come as its end.
        const failure = await peer.do("connect").then(
          async () => (await peer.event("closed")).failure,
          (error) => (error as PeerFailure).failure,
        );
        assert.equal(failure.kind, "transport");
        assert.ok(
          Number(failure.code) >= 0x100 && Number(failure.code) < 0x200,
          `a TLS alert: ${failure.code}`,
        );
      }
      await until("nothing is left of them", () => listener.connectionCount === 0);
    });

    if (!stack.asksForCertificates) return;

    test("shows our client's certificate to the peer's server", async (t) => {
      const peer = await linker().peerServer(t, ["--alpn", alpn, "--client-ca", linker().file("ca")]);
      await linker().connect(t, peer.port, new Ours(), { tls: { ca: linker().ca, ...linker().guest } });
      assert.equal((await peer.event("accepted")).clientCertificates, 1);
    });

    test("is a typed error where our client has no certificate", async (t) => {
      const peer = await linker().peerServer(t, ["--alpn", alpn, "--client-ca", linker().file("ca")]);
      const refused = await linker()
        .connect(t, peer.port, new Ours())
        .then((connection: quic.QuicConnection) => connection.closed)
        .then(
          ({ error }) => error,
          (error) => error,
        );
      assert.ok(refused instanceof CertificateRequiredError, String(refused));
    });
  });
}

function guestArguments(linker: Linker): readonly string[] {
  return ["--alpn", alpn, "--cert", linker.file("guest-cert"), "--key", linker.file("guest-key")];
}
