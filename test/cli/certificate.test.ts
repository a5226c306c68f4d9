import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  developmentCacheDirectory,
  developmentCertificate,
  findDevelopmentCertificate,
  formatFingerprint,
} from "#internal/cli/certificate.js";
import { temporaryFolder } from "../kit/folder.js";

const day = 24 * 60 * 60 * 1000;

test("is a P-256 leaf for this machine's own names, of at most 14 days, with a key only its owner can read", async () => {
  const made = await developmentCertificate({ directory: temporaryFolder() });
  const certificate = new X509Certificate(readFileSync(made.certificatePath));
  assert.equal(certificate.ca, false);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(
    certificate.checkHost("localhost") && certificate.checkIP("127.0.0.1") && certificate.checkIP("::1"),
  );
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / day;
  assert.ok(days > 12 && days <= 14, `${days} days`);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(made.privateKeyPath))));
  assert.equal(statSync(made.privateKeyPath).mode & 0o777, 0o600);
  assert.equal(certificate.fingerprint256, formatFingerprint(made.sha256));
});

test("is kept for the next start, and made anew two days before it expires", async () => {
  const directory = temporaryFolder();
  assert.equal(await findDevelopmentCertificate({ directory }), undefined);
  const first = await developmentCertificate({ directory });
  assert.equal(first.created, true);
  const again = await developmentCertificate({ directory });
  assert.deepEqual({ ...again, created: true }, first);
  assert.equal(again.created, false);
  const now = new Date(first.expires.getTime() - 2 * day + 1000);
  assert.equal(await findDevelopmentCertificate({ directory, now }), undefined);
  const renewed = await developmentCertificate({ directory, now });
  assert.equal(renewed.created, true);
  assert.notEqual(renewed.sha256, first.sha256);
});

for (const [before, spent] of [
  ["nothing was there", false],
  ["a spent one was there", true],
] as const) {
  test(`is one pair, even when several make it at once where ${before}`, async () => {
    const directory = temporaryFolder();
    const now = new Date(Date.now() + 12 * day);
    if (spent) await developmentCertificate({ directory });
    await Promise.all(Array.from({ length: 8 }, () => developmentCertificate({ directory, now })));
    const kept = await findDevelopmentCertificate({ directory, now });
    const certificate = new X509Certificate(readFileSync(kept!.certificatePath));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(kept!.privateKeyPath))));
    assert.deepEqual(readdirSync(directory), ["development"]);
  });
}

test("lies in the user's cache folder", () => {
  assert.equal(developmentCacheDirectory({ XDG_CACHE_HOME: "/caches" }), join("/caches", "millrace"));
});
