import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as quic from "millrace/quic";
import { Authority } from "millrace/testing";
import {
  CertificateExpiredError,
  CredentialMismatchError,
  CredentialMissingError,
  CredentialUnreadableError,
  InvalidArgumentError,
} from "#internal/errors.js";
import { loadClientCredential, loadServerCredential } from "#internal/transport/credential.js";
import { until } from "../kit/until.js";

const directory = await mkdtemp(join(tmpdir(), "millrace-credential-"));
const authority = await Authority.make();
const identity = await authority.issue();

after(() => rm(directory, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

test("a certificate and key load alike from PEM text, PEM bytes and files", async () => {
  const expected = {
    certificatePem: new X509Certificate(identity.certificate).toString(),
    privateKeyPem: createPrivateKey(identity.privateKey).export({ type: "pkcs8", format: "pem" }),
    clientCertificate: "none",
    clientCaPem: undefined,
    serverNames: new Map(),
    cipherSuites: undefined,
    keyLogFile: undefined,
  };
  assert.deepEqual(await loadServerCredential(identity), expected);
  const bytes = {
    certificate: Buffer.from(identity.certificate),
    privateKey: Buffer.from(identity.privateKey),
  };
  assert.deepEqual(await loadServerCredential(bytes), expected);
  const paths = {
    certificate: await file("good.crt", identity.certificate),
    privateKey: await file("good.key", identity.privateKey),
  };
  assert.deepEqual(await loadServerCredential(paths), expected);
});

test("a certificate followed by its chain keeps the chain", async () => {
  const certificate = `${identity.certificate}\n${authority.certificate}`;
  const loaded = await loadServerCredential({ certificate, privateKey: identity.privateKey });
  const chain = [identity.certificate, authority.certificate].map((pem) => new X509Certificate(pem)).join("");
  assert.equal(loaded.certificatePem, chain);
  const joined = { ...identity, certificate: identity.certificate.trim() + authority.certificate };
  assert.equal((await loadServerCredential(joined)).certificatePem, chain);
});

test("a missing file is named in the error", async () => {
  const certificate = join(directory, "nowhere.crt");
  await assert.rejects(loadServerCredential({ ...identity, certificate }), (error: Error) => {
    assert.ok(error instanceof CredentialMissingError);
    assert.match(error.message, /certificate file ".*nowhere\.crt" does not exist/);
    return true;
  });
  const privateKey = join(directory, "nowhere.key");
  await assert.rejects(loadServerCredential({ ...identity, privateKey }), CredentialMissingError);
  await assert.rejects(loadClientCredential({ ca: privateKey }, "localhost"), CredentialMissingError);
});

test("what is no PEM certificate, or no PEM key, is unreadable", async () => {
  const certificate = await file("text.crt", "hello");
  await assert.rejects(loadServerCredential({ ...identity, certificate }), CredentialUnreadableError);
  await assert.rejects(loadClientCredential({ ca: certificate }, "localhost"), CredentialUnreadableError);
  await assert.rejects(
    loadServerCredential({ ...identity, privateKey: certificate }),
    CredentialUnreadableError,
  );
  await assert.rejects(
    loadServerCredential({ ...identity, certificate: directory }),
    CredentialUnreadableError,
  );
});

function fifo(name: string): string {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  return path;
}

test("a path to what never ends, or never begins, is refused at once wherever a file is read", async () => {
  const large = await file("large.pem", `${identity.certificate}${"\n".repeat(1024 * 1024)}`);
  for (const path of ["/dev/zero", fifo("silent.pem"), directory, large]) {
    for (const tls of [
      { ...identity, certificate: path },
      { ...identity, privateKey: path },
      { pkcs12: path },
      { ...identity, clientCertificate: "require", clientCa: path },
      { ...identity, serverNames: { "a.example": { ...identity, certificate: path } } },
    ] as const) {
      await assert.rejects(loadServerCredential(tls), (error: Error) => {
        assert.ok(error instanceof CredentialUnreadableError, `${error}`);
        assert.match(error.message, /is no regular file, or larger than 1048576 bytes; pass its contents/);
        return true;
      });
    }
    await assert.rejects(loadClientCredential({ ca: path }, "localhost"), CredentialUnreadableError);
  }
});

test("a file as large as allowed is read whole", async () => {
  const padding = "\n".repeat(1024 * 1024 - identity.certificate.length);
  const certificate = await file("padded.pem", padding + identity.certificate);
  const loaded = await loadServerCredential({ ...identity, certificate }); // the certificate is at the very end
  assert.equal(loaded.certificatePem, new X509Certificate(identity.certificate).toString());
});

test("secrets are logged to regular files only, for nothing else can be trusted to take them at once", async (t) => {
  const heard = fifo("heard.keys");
  const reader = await open(heard, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => reader.close());
  for (const keyLogFile of ["/dev/null", fifo("unheard.keys"), heard, directory]) {
    await assert.rejects(loadServerCredential({ ...identity, keyLogFile }), InvalidArgumentError, keyLogFile);
    await assert.rejects(loadClientCredential({ keyLogFile }, "localhost"), InvalidArgumentError, keyLogFile);
  }
});

test("libraries are given what was checked and nothing that stands around it", async () => {
  const { certificate, privateKey } = identity;
  const { certificate: another } = await authority.issue();
  const plain = await loadServerCredential(identity);
  const around = {
    certificate: `\ufeff\0subject\n${another.replaceAll("CERTIFICATE", "X509 CERTIFICATE")}\n${certificate}\n-----BEGIN CERTIFICATE-----\nAA`,
    privateKey: `\ufeff${privateKey}\n\0`,
  };
  assert.deepEqual(await loadServerCredential(around), plain);
  assert.equal(new X509Certificate(plain.certificatePem).toString(), plain.certificatePem);
});

test("a key that TLS finds too small is unreadable, and no fault of ours", async () => {
  const files = { certificate: join(directory, "small.pem"), privateKey: join(directory, "small.key") };
  const made = "req -x509 -newkey rsa:1024 -nodes -days 3 -subj /CN=localhost -keyout".split(" ");
  execFileSync("openssl", [...made, files.privateKey, "-out", files.certificate], { stdio: "ignore" });
  await assert.rejects(
    quic.listen({ host: "127.0.0.1", port: 0, alpn: ["a"], tls: files }, {}),
    (error: Error) => error instanceof CredentialUnreadableError && /2048 bits/.test(error.message),
  );
});

test("a certificate with damaged contents is unreadable", async () => {
  const certificate = identity.certificate.replace(/\nMII[A-Za-z0-9+/]{8}/, "\nMIIAAAAAAAA");
  assert.notEqual(certificate, identity.certificate);
  await assert.rejects(loadServerCredential({ ...identity, certificate }), CredentialUnreadableError);
});

test("an encrypted key opens with its passphrase, and says so where that is missing or wrong", async () => {
  const privateKey = createPrivateKey(identity.privateKey)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
    .toString();
  const { privateKeyPem } = await loadServerCredential({ ...identity, privateKey, passphrase: "secret" });
  assert.deepEqual(
    createPrivateKey(privateKeyPem).export({ format: "jwk" }),
    createPrivateKey(identity.privateKey).export({ format: "jwk" }),
  );
  for (const [passphrase, advice] of [
    [{}, /is encrypted; pass its passphrase/],
    [{ passphrase: "wrong" }, /does not open with this passphrase/],
  ] as const) {
    await assert.rejects(loadServerCredential({ ...identity, privateKey, ...passphrase }), (error: Error) => {
      assert.ok(error instanceof CredentialUnreadableError);
      assert.match(error.message, advice);
      return true;
    });
  }
});

test("a key of another certificate is a mismatch", async () => {
  const { privateKey } = await authority.issue();
  await assert.rejects(loadServerCredential({ ...identity, privateKey }), CredentialMismatchError);
});

test("a certificate out of its time is refused, before and after", async () => {
  await assert.rejects(
    loadServerCredential(await authority.issue({ validFromDays: -13, validToDays: -1 })),
    CertificateExpiredError,
  );
  const early = await authority.issue({ validFromDays: 1 });
  await assert.rejects(loadServerCredential(early), CertificateExpiredError);
});

test("a client that takes any certificate is warned of once, and one that knows the key is not", async (t) => {
  const warnings: (string | undefined)[] = [];
  const listener = ({ code }: Error & { code?: string }) => void warnings.push(code);
  process.on("warning", listener);
  t.after(() => process.off("warning", listener));
  const pins = [`sha256/${"A".repeat(43)}=`];
  assert.deepEqual((await loadClientCredential({ insecure: true, pins }, "localhost")).pins, pins);
  for (let i = 0; i < 3; i += 1) await loadClientCredential({ insecure: true }, "localhost");
  await until("it is warned of", () => warnings.length > 0);
  assert.deepEqual(warnings, ["MILLRACE_TLS_INSECURE"]);
});

test("a client trusts what Node trusts and expects the host's name, unless told otherwise", async () => {
  const otherwise = { identity: undefined, cipherSuites: undefined, keyLogFile: undefined, pins: undefined };
  assert.deepEqual(await loadClientCredential(undefined, "localhost"), {
    ...otherwise,
    caPem: undefined,
    serverName: "localhost",
    insecure: false,
  });
  const tls = { ca: authority.certificate, serverName: "a.example", insecure: true };
  assert.deepEqual(await loadClientCredential(tls, "localhost"), {
    ...otherwise,
    caPem: new X509Certificate(authority.certificate).toString(),
    serverName: "a.example",
    insecure: true,
  });
});
