import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CertificateNameError, CredentialMismatchError, InvalidArgumentError } from "millrace";
import type * as quic from "millrace/quic";
import { Authority, type Identity } from "millrace/testing";
import { Pkcs12Packer } from "../../kit/pkcs12.js";
import { serveTls } from "../../kit/tls_pair.js";

const packer = new Pkcs12Packer();

const authority = await Authority.make();
const fallback = await authority.issue();

function issue(...names: string[]): Promise<Identity> {
  return authority.issue({ names });
}

describe("a server of several names", () => {
  test("shows each client the certificate of the name it asks for", async (t) => {
    const server = await serveTls(t, {
      ...fallback,
      serverNames: {
        "a.example": await issue("a.example"),
        "*.b.example": { pkcs12: packer.packBytes(await issue("*.b.example"), "p"), passphrase: "p" },
        "www.b.example": await issue("www.b.example"),
        "Bücher.example": await issue("xn--bcher-kva.example"),
      },
    });
    const shown = async (serverName: string) => {
      // Names are checked by the client, so what it accepts is what it asked for.
      const connection = await server.connect({ ca: authority.certificate, serverName });
      return connection.peerCertificate?.subject;
    };
    assert.equal(await shown("a.example"), "CN=a.example");
    assert.equal(await shown("A.Example"), "CN=a.example");
    assert.equal(await shown("x.b.example"), "CN=*.b.example");
    assert.equal(await shown("www.b.example"), "CN=www.b.example");
    assert.equal(await shown("xn--bcher-kva.example"), "CN=xn--bcher-kva.example");
    assert.equal(await shown("localhost"), "CN=localhost");
  });

  test("shows its default to who asks for another name, a deeper one, or by address", async (t) => {
    const serverNames = { "*.b.example": await issue("*.b.example", "y.x.b.example", "b.example") };
    const server = await serveTls(t, { ...fallback, serverNames });
    for (const serverName of ["b.example", "y.x.b.example", "other.example"]) {
      const attempt = server.connect({ ca: authority.certificate, serverName });
      await assert.rejects(attempt, CertificateNameError, serverName);
    }
    const byAddress = await server.connect({ ca: authority.certificate });
    assert.equal(byAddress.peerCertificate?.subject, "CN=localhost");
  });

  test("asks for clients' certificates under every name", async (t) => {
    const server = await serveTls(t, {
      ...fallback,
      serverNames: { "a.example": await issue("a.example") },
      clientCertificate: "require",
      clientCa: authority.certificate,
    });
    for (const serverName of ["localhost", "a.example"]) {
      const anonymous = await server.connect({ ca: authority.certificate, serverName });
      const { error } = await anonymous.closed;
      assert.equal((error as { code?: string }).code, "ERR_MILLRACE_CERTIFICATE_REQUIRED", serverName);
    }
  });

  test("is refused with the name whose identity is wrong", async (t) => {
    const good = await issue("a.example");
    const { privateKey } = await issue("a.example");
    for (const [serverNames, error, message] of [
      [{ "a.example": { ...good, privateKey } }, CredentialMismatchError, /is not the key/],
      [{ "a.example": {} }, InvalidArgumentError, /serverNames\["a\.example"\] needs certificate/],
      [{ "a.*.example": good }, InvalidArgumentError, /serverNames\["a\.\*\.example"\] must be named/],
      [{ "*.": good }, InvalidArgumentError, /must be named by a host/],
      [{ "": good }, InvalidArgumentError, /must be named by a host/],
      [{ "a.example": { ...good, ca: good.certificate } }, InvalidArgumentError, /no option .*ca/],
    ] as const) {
      const tls: quic.ServerTlsOptions = { ...fallback, serverNames: serverNames as never };
      const attempt = serveTls(t, tls);
      await assert.rejects(attempt, (thrown: Error) => {
        assert.ok(thrown instanceof error, `${thrown}`);
        assert.match(thrown.message, message);
        return true;
      });
    }
  });
});
