import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Authority, type Identity } from "millrace/testing";
import {
  CertificateExpiredError,
  CertificateNameError,
  CertificateRequiredError,
  CertificateUntrustedError,
} from "#internal/errors.js";
import { deferred } from "../../kit/deferred.js";
import { authority, type Connection, echo, identity, type Listener, type SuiteKit } from "./kit.js";

/** Whose certificates are taken. */
export function describeCertificates({ transport, listen, dial, assertEchoes }: SuiteKit): void {
  if (transport.secureUrl === undefined) return;
  const secureUrl: string = transport.secureUrl;
  describe("certificates", () => {
    async function serveSecurely(t: TestContext, tls: Identity): Promise<Listener> {
      const listener = await listen(secureUrl, echo, { tls });
      t.after(() => listener.close({ graceful: false }));
      return listener;
    }

    test("of a trusted authority are accepted", async (t) => {
      await assertEchoes(t, await serveSecurely(t, identity));
    });

    test("of an unknown authority are untrusted", async (t) => {
      const listener = await serveSecurely(t, identity);
      await assert.rejects(dial(t, listener, undefined, { tls: {} }), CertificateUntrustedError);
      const ca = (await Authority.make("another CA")).certificate;
      await assert.rejects(dial(t, listener, undefined, { tls: { ca } }), CertificateUntrustedError);
    });

    test("of an unknown authority are accepted where the caller insists", async (t) => {
      const listener = await serveSecurely(t, identity);
      const connection = await dial(t, listener, undefined, { tls: { insecure: true } });
      assert.equal(connection.state, "open");
    });

    test("are believed by the pins of their key alone, whoever vouches for them, where there are any", async (t) => {
      const pinOf = ({ certificate }: Identity) => {
        const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
        return `sha256/${createHash("sha256").update(key).digest("base64")}`;
      };
      const other = await authority.issue();
      const listener = await serveSecurely(t, identity);
      const connect = (tls: object) => dial(t, listener, undefined, { tls });
      const ca = authority.certificate;
      for (const tls of [{ ca }, { insecure: true }]) {
        assert.equal((await connect({ ...tls, pins: [pinOf(other), pinOf(identity)] })).state, "open");
        await assert.rejects(connect({ ...tls, pins: [pinOf(other)] }), (error) => {
          assert.ok(error instanceof CertificateUntrustedError);
          assert.ok(error.message.includes(pinOf(identity)), error.message);
          return true;
        });
      }
      await assert.rejects(connect({ pins: [pinOf(identity)] }), CertificateUntrustedError);
      for (const pins of [[], ["sha256/short="], [pinOf(identity).slice(7)], "sha256/"]) {
        await assert.rejects(connect({ ca, pins }), /tls.pins must be a list of at least one "sha256\/"/);
      }
    });

    test("for another name are refused, unless that name is asked for", async (t) => {
      const listener = await serveSecurely(t, await authority.issue({ names: ["other.invalid"] }));
      await assert.rejects(dial(t, listener), CertificateNameError);
      const tls = { ca: authority.certificate, serverName: "other.invalid" };
      const connection = await dial(t, listener, undefined, { tls });
      assert.equal(connection.state, "open");
    });

    test("that are expired are refused by listen", async () => {
      const tls = await authority.issue({ validFromDays: -13, validToDays: -1 });
      await assert.rejects(listen(secureUrl, echo, { tls }), CertificateExpiredError);
    });

    test("of a client are there where the listener asks for them, and the server's always", async (t) => {
      const alice = await authority.issueClient({ name: "alice" });
      for (const [clientCertificate, shown, subject] of [
        ["require", alice, "CN=alice"],
        ["request", alice, "CN=alice"],
        ["request", {}, undefined],
        ["none", alice, undefined],
      ] as const) {
        const opened = deferred<Connection>();
        const clientCa = clientCertificate === "none" ? undefined : authority.certificate;
        const tls = { ...identity, clientCertificate, clientCa };
        const behaviour = { ...echo, open: (connection: Connection) => opened.resolve(connection) };
        const listener = await listen(secureUrl, behaviour, { tls });
        t.after(() => listener.close({ graceful: false }));
        const client = await dial(t, listener, undefined, { tls: { ca: authority.certificate, ...shown } });
        const server = await opened.promise;
        assert.equal(server.peerCertificate?.subject, subject, `${clientCertificate}`);
        const { fingerprint256 } = new X509Certificate(identity.certificate);
        for (const time of ["once", "again"]) {
          assert.equal(client.peerCertificate?.fingerprint256, fingerprint256, time);
        }
        await client.close();
        await server.closed;
        assert.equal(server.peerCertificate, undefined);
      }
    });

    test("of clients that are missing or a stranger's are refused where one is required", async (t) => {
      const stranger = await Authority.make("stranger");
      const tls = { ...identity, clientCertificate: "require", clientCa: authority.certificate } as const;
      let opened = 0;
      const listener = await listen(secureUrl, { open: () => void opened++ }, { tls });
      t.after(() => listener.close({ graceful: false }));
      for (const shown of [{}, await stranger.issueClient({ name: "mallory" })]) {
        const error = await dial(t, listener, undefined, {
          tls: { ca: authority.certificate, ...shown },
        }).then(
          async (connection) => (await connection.closed).error, // in TLS 1.3 a client learns of it when it is done
          (error: unknown) => error,
        );
        assert.ok(
          error instanceof CertificateRequiredError || error instanceof CertificateUntrustedError,
          `${error}`,
        );
      }
      assert.equal(opened, 0);
    });

    test("that expire while the server runs are refused by clients", async (t) => {
      const lifeMs = 3_000;
      const tls = await authority.issue({ validToDays: lifeMs / (24 * 60 * 60 * 1000) });
      const listener = await serveSecurely(t, tls);
      await delay(lifeMs + 1_000); // validity has a resolution of a second
      await assert.rejects(dial(t, listener), CertificateExpiredError);
    });
  });
}
