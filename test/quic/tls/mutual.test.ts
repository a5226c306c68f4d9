import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  CertificateRefusedError,
  CertificateRequiredError,
  CertificateUntrustedError,
  CredentialUnreadableError,
  connect,
  InvalidArgumentError,
  listen,
} from "millrace";
import type * as quic from "millrace/quic";
import { Authority, type Identity } from "millrace/testing";
import { deferred } from "../../kit/deferred.js";
import { temporaryFolder } from "../../kit/folder.js";
import { Pkcs12Packer } from "../../kit/pkcs12.js";
import { serveTls, type TlsServer } from "../../kit/tls_pair.js";
import { until } from "../../kit/until.js";

const authority = await Authority.make();
const stranger = await Authority.make("stranger");
const server = await authority.issue();
const alice = await authority.issueClient({ name: "alice" });
const mallory = await stranger.issueClient({ name: "mallory" });

/** TLS 1.3 lets a client's handshake complete before the server has judged it; so the end tells. */
async function endOf(attempt: Promise<quic.QuicConnection>): Promise<unknown> {
  return (await (await attempt).closed).error;
}

function asking(more: Partial<quic.ServerTlsOptions> = {}): quic.ServerTlsOptions {
  return { ...server, clientCertificate: "require", clientCa: authority.certificate, ...more };
}

function as(client: Identity | undefined): quic.ClientTlsOptions {
  return { ca: authority.certificate, serverName: "localhost", ...client };
}

async function assertLetsIn(
  listening: TlsServer,
  client: Identity | undefined,
): Promise<quic.QuicConnection> {
  const next = listening.next();
  const connection = await listening.connect(as(client));
  const accepted = await next;
  assert.equal(connection.state, "open");
  return accepted;
}

describe("a server that requires a certificate", () => {
  test("lets in who has one of its CA, and tells whose it is", async (t) => {
    const listening = await serveTls(t, asking());
    const accepted = await assertLetsIn(listening, alice);
    assert.equal(accepted.peerCertificate?.subject, "CN=alice");
    assert.equal(accepted.peerCertificate.raw.equals(new X509Certificate(alice.certificate).raw), true);
  });

  test("refuses who has none, one of another CA, or one that is a server's", async (t) => {
    const listening = await serveTls(t, asking());
    assert.ok((await endOf(listening.connect(as(undefined)))) instanceof CertificateRequiredError);
    assert.ok((await endOf(listening.connect(as(mallory)))) instanceof CertificateUntrustedError);
    assert.ok(
      (await endOf(listening.connect(as(await authority.issue())))) instanceof CertificateRefusedError,
    );
    assert.equal(listening.opened.length, 0);
    await until("nothing is left of them", () => listening.listener.connectionCount === 0);
  });

  test("takes the chain that the client sends", async (t) => {
    const listening = await serveTls(t, asking());
    const team = await authority.intermediate("team");
    await assertLetsIn(listening, await team.issueClient({ name: "bob" }));
  });

  test("holds for messages too", async (t) => {
    const names: (string | undefined)[] = [];
    const listening = await listen(
      "quic://127.0.0.1:0",
      { open: () => void names.push("in") },
      { tls: asking() },
    );
    t.after(() => listening.close({ graceful: false }));
    const closed = deferred<unknown>();
    const url = listening.urls[0]!;
    await connect(url, { close: (_, info) => closed.resolve(info.error) }, { tls: as(undefined) });
    assert.ok((await closed.promise) instanceof CertificateRequiredError);
    const connection = await connect(url, {}, { tls: as(alice) });
    t.after(() => connection.close({ graceful: false }));
    await until("alice is in", () => names.length === 1);
    const tls = { ...server, clientCertificate: "require" } as const;
    await assert.rejects(listen("quic://127.0.0.1:0", {}, { tls }), /needs tls\.clientCa/);
  });
});

describe("a client's identity", () => {
  const packer = new Pkcs12Packer();
  const folder = temporaryFolder();
  const passphrase = "open sesame";
  const encryptedKey = createPrivateKey(alice.privateKey)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase })
    .toString();
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const { certificate, privateKey } = alice;
  const forms: Readonly<Record<string, quic.TlsIdentity>> = {
    "PEM text": { certificate, privateKey },
    "PEM bytes": { certificate: Buffer.from(certificate), privateKey: Buffer.from(privateKey) },
    "PEM files": { certificate: file("alice.pem", certificate), privateKey: file("alice.key", privateKey) },
    "an encrypted key": { certificate, privateKey: encryptedKey, passphrase },
    "a file with an encrypted key": {
      certificate,
      privateKey: file("alice.encrypted.key", encryptedKey),
      passphrase,
    },
    "PKCS#12 bytes": { pkcs12: packer.packBytes(alice, passphrase), passphrase },
    "a PKCS#12 file": { pkcs12: packer.pack(alice, passphrase), passphrase },
    "PKCS#12 without a passphrase": { pkcs12: packer.packBytes(alice, "") },
  };
  for (const [form, identity] of Object.entries(forms)) {
    test(`may be given as ${form}`, async (t) => {
      const listening = await serveTls(t, asking());
      const next = listening.next();
      await listening.connect({ ca: authority.certificate, serverName: "localhost", ...identity });
      assert.equal((await next).peerCertificate?.subject, "CN=alice");
    });
  }

  test("as PKCS#12 is sent with its chain", async (t) => {
    const listening = await serveTls(t, asking());
    const team = await authority.intermediate("team");
    const pkcs12 = packer.packBytes(await team.issueClient({ name: "bob" }), passphrase);
    const next = listening.next();
    await listening.connect({ ca: authority.certificate, serverName: "localhost", pkcs12, passphrase });
    assert.equal((await next).peerCertificate?.subject, "CN=bob");
  });

  test("that does not open with its passphrase is refused before anything is sent", async (t) => {
    const listening = await serveTls(t, asking());
    for (const identity of [
      { certificate, privateKey: encryptedKey, passphrase: "wrong" },
      { certificate, privateKey: encryptedKey },
      { pkcs12: packer.packBytes(alice, passphrase), passphrase: "wrong" },
    ]) {
      const attempt = listening.connect({ ca: authority.certificate, serverName: "localhost", ...identity });
      await assert.rejects(attempt, CredentialUnreadableError);
    }
    assert.equal(listening.listener.connectionCount, 0);
  });
});

describe("a server that requests a certificate", () => {
  test("lets in who has none, and refuses a bad one all the same", async (t) => {
    const listening = await serveTls(t, asking({ clientCertificate: "request" }));
    assert.equal((await assertLetsIn(listening, undefined)).peerCertificate, undefined);
    assert.equal((await assertLetsIn(listening, alice)).peerCertificate?.subject, "CN=alice");
    assert.ok((await endOf(listening.connect(as(mallory)))) instanceof CertificateUntrustedError);
  });
});

describe("authenticate", () => {
  test("sees the certificate, its chain, and what the client asks for", async (t) => {
    const peers: quic.QuicPeer[] = [];
    const listening = await serveTls(t, asking(), {
      authenticate(peer) {
        peers.push(peer);
        return true;
      },
    });
    const accepted = await assertLetsIn(listening, alice);
    const [peer] = peers;
    assert.equal(peer?.certificate?.subject, "CN=alice");
    assert.deepEqual(
      peer.chain.map(({ subject }) => subject),
      ["CN=alice", "CN=millrace test authority"],
    );
    assert.equal(peer.serverName, "localhost");
    assert.equal(peer.protocol, "millrace-test");
    assert.deepEqual(peer.remoteAddress, accepted.remoteAddress);
    assert.equal(accepted.peerCertificate, peer.certificate);
  });

  test("refuses by false at once or later, and by whatever is not true", async (t) => {
    for (const answer of [false, Promise.resolve(false), "true" as unknown as boolean]) {
      const listening = await serveTls(t, asking(), { authenticate: () => answer });
      assert.ok((await endOf(listening.connect(as(alice)))) instanceof CertificateRefusedError);
      assert.equal(listening.opened.length, 0);
      await until("it is forgotten", () => listening.listener.connectionCount === 0);
    }
  });

  test("that throws refuses, and the cause goes to error", async (t) => {
    const cause = new Error("the directory is down");
    const reported = deferred<unknown>();
    const listening = await serveTls(t, asking(), {
      authenticate: () => Promise.reject(cause),
      error: (_, error) => reported.resolve(error),
    });
    assert.ok((await endOf(listening.connect(as(alice)))) instanceof CertificateRefusedError);
    assert.equal(await reported.promise, cause);
    assert.equal(listening.opened.length, 0);
  });

  test("that does not answer in time refuses", async (t) => {
    const listening = await serveTls(t, asking(), {
      authenticate: () => new Promise(() => {}),
      handshakeTimeoutMs: 2_000,
      error: () => {},
    });
    assert.ok((await endOf(listening.connect(as(alice)))) instanceof CertificateRefusedError);
    assert.equal(listening.opened.length, 0);
  });

  test("that takes its time loses nothing that the client sends meanwhile", async (t) => {
    const mayPass = deferred<boolean>();
    const asked = deferred();
    const listening = await serveTls(t, asking(), {
      authenticate() {
        asked.resolve();
        return mayPass.promise;
      },
    });
    const client = await listening.connect(as(alice));
    const stream = client.openStream();
    stream.write(Buffer.from("early bird"));
    stream.end();
    await asked.promise;
    const heard = deferred<string>();
    assert.equal(listening.opened.length, 0);
    listening.hear((_, chunk) => heard.resolve(Buffer.from(chunk).toString()));
    mayPass.resolve(true);
    assert.equal(await heard.promise, "early bird");
  });

  test("without a CA judges certificates that nobody vouches for, and clients without one", async (t) => {
    const known = new X509Certificate(mallory.certificate).fingerprint256;
    const tls = { ...server, clientCertificate: "request" } as const;
    const listening = await serveTls(t, tls, {
      authenticate: ({ certificate }) => certificate?.fingerprint256 === known,
    });
    await assertLetsIn(listening, mallory);
    assert.ok((await endOf(listening.connect(as(alice)))) instanceof CertificateRefusedError);
    assert.ok((await endOf(listening.connect(as(undefined)))) instanceof CertificateRequiredError);
  });

  test("of a client that goes away while it is asked is asked for nothing", async (t) => {
    const answer = deferred<boolean>();
    const asked = deferred();
    const listening = await serveTls(t, asking(), {
      authenticate() {
        asked.resolve();
        return answer.promise;
      },
    });
    const client = await listening.connect(as(alice));
    await asked.promise;
    await client.close({ graceful: false });
    await until("the server knows", () => listening.listener.connectionCount === 0);
    answer.resolve(true);
    const other = await listening.connect(as(alice)); // the listener goes on
    await until("it opens", () => listening.opened.length === 1);
    assert.equal(other.state, "open");
  });

  test("is refused where nobody could be asked for a certificate, and asking where nobody judges", async (t) => {
    await assert.rejects(serveTls(t, server, { authenticate: () => true }), InvalidArgumentError);
    await assert.rejects(serveTls(t, { ...server, clientCertificate: "require" }), InvalidArgumentError);
    await assert.rejects(serveTls(t, { ...server, clientCa: authority.certificate }), InvalidArgumentError);
  });
});

test("many clients with certificates of their own come in, and each is known by its own", async (t) => {
  const listening = await serveTls(t, asking());
  const names = Array.from({ length: 20 }, (_, i) => `client-${i}`);
  await Promise.all(names.map(async (name) => listening.connect(as(await authority.issueClient({ name })))));
  await until("all are in", () => listening.opened.length === names.length);
  const seen = listening.opened.map((connection) => connection.peerCertificate?.subject);
  assert.deepEqual(seen.sort(), names.map((name) => `CN=${name}`).sort());
});
