import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Authority, type Identity } from "millrace/testing";
import {
  CertificateExpiredError,
  CertificateNameError,
  CertificateUntrustedError,
} from "#internal/errors.js";
import { authority, echo, identity, type Listener, type SuiteKit } from "./kit.js";

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

    test("that expire while the server runs are refused by clients", async (t) => {
      const lifeMs = 1_500;
      const tls = await authority.issue({ validToDays: lifeMs / (24 * 60 * 60 * 1000) });
      const listener = await serveSecurely(t, tls);
      await delay(lifeMs + 1_000); // validity has a resolution of a second
      await assert.rejects(dial(t, listener), CertificateExpiredError);
    });
  });
}
