import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  CertificateExpiredError,
  CertificateNameError,
  CertificateUntrustedError,
  CredentialMissingError,
  CredentialUnreadableError,
  HandshakeFailedError,
  InvalidArgumentError,
} from "millrace";
import type * as quic from "millrace/quic";
import { Authority } from "millrace/testing";
import { temporaryFolder } from "../../kit/folder.js";
import { Pkcs12Packer } from "../../kit/pkcs12.js";
import { serveTls } from "../../kit/tls_pair.js";
import { until } from "../../kit/until.js";

const packer = new Pkcs12Packer();
const folder = temporaryFolder();

const root = await Authority.make();
const intermediate = await (await root.intermediate("first")).intermediate("second");
const identity = await intermediate.issue();

/** What a client that trusts only the root is shown: the names of the chain, the server's first. */
async function shown(t: Parameters<typeof serveTls>[0], tls: quic.ServerTlsOptions): Promise<string[]> {
  const server = await serveTls(t, tls);
  let chain: readonly X509Certificate[] = [];
  await server.connect(
    { ca: root.certificate },
    {
      authenticate(peer) {
        chain = peer.chain;
        return true;
      },
    },
  );
  return chain.map((certificate) => certificate.subject);
}

const wholeChain = ["CN=localhost", "CN=second", "CN=first", "CN=millrace test authority"];

function encrypted(privateKey: string, passphrase: string): string {
  const options = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase } as const;
  return createPrivateKey(privateKey).export(options).toString();
}

describe("a server's identity", () => {
  test("comes from PEM text, bytes or files, and its chain is sent", async (t) => {
    const certificate = join(folder, "certificate");
    const privateKey = join(folder, "key");
    writeFileSync(certificate, identity.certificate);
    writeFileSync(privateKey, identity.privateKey);
    assert.deepEqual(await shown(t, identity), wholeChain);
    assert.deepEqual(await shown(t, { certificate, privateKey }), wholeChain);
    const bytes = {
      certificate: Buffer.from(identity.certificate),
      privateKey: Buffer.from(identity.privateKey),
    };
    assert.deepEqual(await shown(t, bytes), wholeChain);
  });

  test("comes from a key that a passphrase opens", async (t) => {
    const privateKey = encrypted(identity.privateKey, "open sesame");
    const tls = { certificate: identity.certificate, privateKey, passphrase: "open sesame" };
    assert.deepEqual(await shown(t, tls), wholeChain);
  });

  test("comes from PKCS#12, as bytes or a file, with a passphrase or an empty one", async (t) => {
    const pkcs12 = packer.packBytes(identity, "open sesame");
    assert.deepEqual(await shown(t, { pkcs12, passphrase: "open sesame" }), wholeChain);
    assert.deepEqual(await shown(t, { pkcs12: packer.pack(identity, "") }), wholeChain);
  });

  test("sends its chain in order, for clients that follow it link by link", async (t) => {
    const server = await serveTls(t, identity);
    // A client that judges nothing is given the certificates as they were sent.
    let sent: readonly X509Certificate[] = [];
    const authenticate = (peer: quic.QuicPeer) => {
      sent = peer.chain;
      return true;
    };
    await server.connect({ insecure: true }, { authenticate });
    assert.deepEqual(
      sent.map((certificate) => certificate.subject),
      wholeChain.slice(0, 3),
    );
  });

  test("without its chain is not trusted by who has only the root", async (t) => {
    const leafOnly = { ...identity, certificate: new X509Certificate(identity.certificate).toString() };
    const server = await serveTls(t, leafOnly);
    await assert.rejects(server.connect({ ca: root.certificate }), CertificateUntrustedError);
  });

  test("that cannot be read says what is wrong with it", async (t) => {
    const privateKey = encrypted(identity.privateKey, "right");
    const pkcs12 = packer.packBytes(identity, "right");
    const damaged = pkcs12.slice(0, pkcs12.length / 2);
    const outdated = packer.pack(identity, "right", "-legacy", "-certpbe", "PBE-SHA1-RC2-40");
    const keyless = packer.pack(identity, "right", "-nokeys");
    for (const [tls, error, message] of [
      [{ ...identity, privateKey }, CredentialUnreadableError, /is encrypted; pass its passphrase/],
      [{ ...identity, privateKey, passphrase: "wrong" }, CredentialUnreadableError, /does not open/],
      [{ pkcs12, passphrase: "wrong" }, CredentialUnreadableError, /does not open with this passphrase/],
      [{ pkcs12 }, CredentialUnreadableError, /does not open with this passphrase/],
      [{ pkcs12: damaged, passphrase: "right" }, CredentialUnreadableError, /is not PKCS#12, or is damaged/],
      [{ pkcs12: outdated, passphrase: "right" }, CredentialUnreadableError, /no longer secure/],
      [{ pkcs12: keyless, passphrase: "right" }, CredentialUnreadableError, /and its private key/],
      [{ pkcs12: join(folder, "nowhere.p12") }, CredentialMissingError, /nowhere\.p12" does not exist/],
      [{ pkcs12, ...identity }, InvalidArgumentError, /whole and not both/],
      [{ certificate: identity.certificate }, InvalidArgumentError, /whole and not both/],
      [{ passphrase: "right" }, InvalidArgumentError, /tls takes certificate and privateKey, or pkcs12/],
      [{}, InvalidArgumentError, /tls needs certificate and privateKey, or pkcs12/],
    ] as const) {
      await assert.rejects(serveTls(t, tls), (thrown: Error) => {
        assert.ok(thrown instanceof error, `${thrown}`);
        assert.match(thrown.message, message);
        return true;
      });
    }
    const expired = await root.issue({ validFromDays: -13, validToDays: -1 });
    await assert.rejects(serveTls(t, { pkcs12: packer.packBytes(expired, "") }), CertificateExpiredError);
  });

  test("touches no disk, its key least of all", async () => {
    // Run where no process may write a byte to any file: a write would fail, or kill it.
    const program = fileURLToPath(new URL("./write_nothing.js", import.meta.url));
    const files = [
      packer.pack(await root.issue(), "open sesame"),
      packer.pack(await root.issueClient({ name: "client" }), "open sesame"),
      join(folder, "root.pem"),
    ];
    writeFileSync(files[2]!, root.certificate);
    const { stdout } = await promisify(execFile)(
      "sh",
      ["-c", 'ulimit -f 0; exec "$0" "$@"', process.execPath, program, ...files],
      { timeout: 60_000 },
    );
    assert.equal(stdout, "connected without writing, and could not have written\n");
  });
});

describe("a client", () => {
  test("trusts the CAs it is given and no others, and checks name, time and purpose", async (t) => {
    const stranger = await Authority.make("stranger");
    for (const [tls, client, error] of [
      [identity, { ca: root.certificate }, undefined],
      [identity, { ca: root.certificate, serverName: "localhost" }, undefined],
      [identity, { ca: `${stranger.certificate}\n${root.certificate}` }, undefined],
      [identity, { ca: stranger.certificate }, CertificateUntrustedError],
      [identity, {}, CertificateUntrustedError],
      [identity, { ca: root.certificate, serverName: "other.invalid" }, CertificateNameError],
      [await root.issue({ names: ["127.0.0.2"] }), { ca: root.certificate }, CertificateNameError],
      [await root.issueClient({ name: "127.0.0.1" }), { ca: root.certificate }, HandshakeFailedError],
    ] as const) {
      const server = await serveTls(t, tls);
      const attempt = server.connect(client);
      await (error === undefined ? attempt : assert.rejects(attempt, error));
    }
  });

  test("says for which names a certificate is that is for another, as far as there is room", async (t) => {
    const names = ["a.example", "*.b.example", "127.0.0.2"];
    const trust = { ca: root.certificate };
    await assert.rejects((await serveTls(t, await root.issue({ names }))).connect(trust), {
      code: "ERR_MILLRACE_CERTIFICATE_NAME",
      message:
        /not for that name but for DNS:a\.example, DNS:\*\.b\.example, IP Address:127\.0\.0\.2; connect/,
    });
    const many = await root.issue({ names: Array.from({ length: 500 }, (_, i) => `host-${i}.example`) });
    await assert.rejects((await serveTls(t, many)).connect(trust), ({ message }) => message.length < 400);
    await assert.rejects(
      (await serveTls(t, await root.issue({ names: [] }))).connect(trust),
      /but for nothing;/,
    );
  });

  test("refuses a certificate whose time is over, and a connection from before goes on", async (t) => {
    const secondsLeft = 2;
    const server = await serveTls(t, await root.issue({ validToDays: secondsLeft / 86_400 }));
    server.hear((stream, chunk) => void stream.write(chunk));
    let echoed = "";
    const earlier = await server.connect(
      { ca: root.certificate },
      {
        data: (_, chunk) => {
          echoed += Buffer.from(chunk).toString();
        },
      },
    );
    const attempt = () => server.connect({ ca: root.certificate });
    let refusal: unknown;
    while (refusal === undefined)
      refusal = await attempt().then(
        () => undefined,
        (error: unknown) => error,
      );
    assert.ok(refusal instanceof CertificateExpiredError, `${refusal}`);
    assert.ok(new Date(earlier.peerCertificate!.validTo) < new Date());
    earlier.openStream().write(Buffer.from("still here"));
    await until("it is echoed", () => echoed === "still here");
  });

  test("takes a wildcard for one label only", async (t) => {
    const server = await serveTls(t, await root.issue({ names: ["*.a.example"] }));
    const connect = (serverName: string) => server.connect({ ca: root.certificate, serverName });
    await connect("b.a.example");
    await assert.rejects(connect("a.example"), CertificateNameError);
    await assert.rejects(connect("c.b.a.example"), CertificateNameError);
  });

  test("without CAs of its own trusts what Node trusts", async (t) => {
    const server = await serveTls(t, identity);
    const ca = join(folder, "extra.pem");
    writeFileSync(ca, root.certificate);
    const program = fileURLToPath(new URL("./connect_once.js", import.meta.url));
    const run = (env: NodeJS.ProcessEnv) =>
      promisify(execFile)(process.execPath, [program, String(server.listener.address.port)], {
        env: { ...process.env, ...env },
        timeout: 60_000,
      });
    assert.equal((await run({ NODE_EXTRA_CA_CERTS: ca })).stdout, "connected\n");
    assert.equal((await run({})).stdout, "ERR_MILLRACE_CERTIFICATE_UNTRUSTED\n");
  });

  test("sees the certificate of the server that it is connected to", async (t) => {
    const server = await serveTls(t, identity);
    const [connection, accepted] = await Promise.all([
      server.connect({ ca: root.certificate }),
      server.next(),
    ]);
    assert.equal(connection.peerCertificate?.raw.equals(new X509Certificate(identity.certificate).raw), true);
    assert.equal(accepted.peerCertificate, undefined);
  });

  test("refuses a server whose key is none that is pinned", async (t) => {
    const server = await serveTls(t, identity);
    const pins = [`sha256/${"A".repeat(43)}=`];
    await assert.rejects(server.connect({ ca: root.certificate, pins }), {
      code: "ERR_MILLRACE_CERTIFICATE_UNTRUSTED",
      message: /none of tls.pins/,
    });
  });

  test("may refuse a server that its CAs vouch for, and pin one that none does", async (t) => {
    const server = await serveTls(t, identity);
    const pin = new X509Certificate(identity.certificate).fingerprint256;
    const pinned = (peer: quic.QuicPeer) => peer.certificate?.fingerprint256 === pin;
    await server.connect({ insecure: true }, { authenticate: pinned });
    const other = await serveTls(t, await root.issue());
    await assert.rejects(other.connect({ ca: root.certificate }, { authenticate: pinned }), {
      code: "ERR_MILLRACE_CERTIFICATE_REFUSED",
    });
    const cause = new Error("no verdict");
    const fails = () => Promise.reject(cause);
    await assert.rejects(server.connect({ ca: root.certificate }, { authenticate: fails }), {
      code: "ERR_MILLRACE_CERTIFICATE_REFUSED",
      cause,
    });
  });
});
