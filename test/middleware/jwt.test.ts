import assert from "node:assert/strict";
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { exportJWK, type JWTHeaderParameters, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { InvalidArgumentError, KeysUnavailableError } from "millrace";
import { RejectCode } from "#internal/delivery/reject.js";
import { jwt } from "#internal/middleware/jwt.js";
import type { JwtOptions } from "#internal/middleware/jwt_options.js";
import { MemoryUsedTokens } from "#internal/middleware/used_tokens.js";
import { Refusal } from "#internal/server/refusal.js";
import { connectBy, context, hello } from "./kit.js";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const secret = randomBytes(32);
const seconds = () => Math.floor(Date.now() / 1000);

const base: JwtOptions = {
  key: publicKey,
  algorithms: ["ES256"],
  issuer: "https://issuer.example",
  audience: "millrace",
  singleUse: false,
};

/** A token that {@link base} accepts, but for what is said otherwise; undefined leaves a claim out. */
function sign(
  claims: JWTPayload = {},
  key: KeyObject | Uint8Array = privateKey,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  const payload = {
    iss: "https://issuer.example",
    aud: "millrace",
    sub: "ada",
    exp: seconds() + 60,
    ...claims,
  };
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "ES256", ...header })
    .sign(key);
}

/** A good token with a header that must be understood, and is not (RFC 7515 section 4.1.11). */
function signCritical(): Promise<string> {
  const header = { alg: "ES256", crit: ["strange"], strange: 1 };
  const claims = { iss: "https://issuer.example", aud: "millrace", sub: "ada", exp: seconds() + 60 };
  return new SignJWT(claims).setProtectedHeader(header).sign(privateKey, { crit: { strange: true } });
}

/** What became of a token, and why. */
async function judged(
  options: Partial<JwtOptions>,
  token: string,
): Promise<{ answer: unknown; why: string }> {
  let why = "";
  const middleware = await jwt<string>({ ...base, refused: (cause) => (why = String(cause)), ...options });
  const answer = await connectBy(middleware, hello(token));
  return { answer, why };
}

async function assertRefused(options: Partial<JwtOptions>, token: string, reason: RegExp): Promise<void> {
  const { answer, why } = await judged(options, token);
  assert.ok(answer instanceof Refusal, `it was let in, and should not be: ${reason}`);
  assert.deepEqual([answer.code, answer.reason], [RejectCode.unauthenticated, "not let in"]);
  assert.match(why, reason);
}

describe("the JWT middleware", () => {
  it("lets in who brings a valid token, under the name that it says, and tells its claims", async () => {
    const middleware = await jwt<string>(base);
    const where = context("192.0.2.1", "root");
    assert.equal(middleware.claims(where), undefined);
    assert.equal(await connectBy(middleware, hello(await sign({ role: "admin" }), "root"), where), "in");
    assert.equal(where.clientId, "ada");
    assert.equal(middleware.claims(where)?.role, "admin");
    assert.equal(middleware.claims(context()), undefined);
  });

  it("refuses tokens that are wrong in any way, in the same words", async () => {
    const good = await sign();
    const [head, body, signature] = good.split(".") as [string, string, string];
    const otherBody = Buffer.from(JSON.stringify({ sub: "root" })).toString("base64url");
    const unsecured = new UnsecuredJWT({ sub: "ada" })
      .setIssuer("https://issuer.example")
      .setAudience("millrace")
      .setExpirationTime("1m")
      .encode();
    const noneHead = Buffer.from('{"alg":"None"}').toString("base64url");
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["", /Invalid/],
      ["not a token", /Invalid/],
      [`${head}.${otherBody}.${signature}`, /signature verification failed/],
      [`${head}.${body}.`, /signature verification failed/],
      [unsecured, /"alg" .*not allowed/],
      [`${noneHead}.${body}.`, /"alg" .*not allowed/],
      [await sign({}, rsa.privateKey, { alg: "RS256" }), /"alg" .*not allowed/],
      [await sign({}, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey), /signature/],
      [await sign({ exp: seconds() - 60 }), /"exp"/],
      [await sign({ exp: undefined } as never), /"exp"/],
      [await sign({ nbf: seconds() + 60 }), /"nbf"/],
      [await sign({ iss: "https://evil.example" }), /"iss"/],
      [await sign({ iss: undefined } as never), /"iss"/],
      [await sign({ aud: "another" }), /"aud"/],
      [await sign({ aud: undefined } as never), /"aud"/],
      [await sign({ sub: undefined } as never), /"sub"/],
      [await sign({ sub: 7 } as never), /sub/],
      [await sign({ sub: "a".repeat(300) }), /client id/],
      [await signCritical(), /not recognized/],
    ];
    for (const [token, reason] of wrong) await assertRefused({}, token, reason);
  });

  it("never takes a public key for a secret", async () => {
    const pem = publicKey.export({ type: "spki", format: "pem" });
    const forged = await sign({}, new TextEncoder().encode(String(pem)), { alg: "HS256" });
    await assertRefused({}, forged, /"alg" .*not allowed/);
    await assert.rejects(jwt({ ...base, algorithms: ["HS256"] }), /key must be a secret/);
    await assert.rejects(jwt({ ...base, algorithms: ["ES256", "HS256"] }), /must not mix/);
    await assert.rejects(jwt({ ...base, key: secret }), /key must be a public key/);
  });

  it("verifies by secrets, keys as JSON, and sets of them", async () => {
    const one = { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" };
    const two = { ...(await exportJWK(rsa.publicKey)), kid: "2", alg: "RS256" };
    const algorithms = ["ES256", "RS256"];
    const tokens = [
      await sign({}, privateKey, { kid: "1" }),
      await sign({}, rsa.privateKey, { alg: "RS256", kid: "2" }),
    ];
    for (const token of tokens) {
      const { answer } = await judged({ key: { keys: [one, two] } as never, algorithms }, token);
      assert.equal(answer, "in");
    }
    const [first] = tokens as [string];
    assert.equal((await judged({ key: one as never }, first)).answer, "in");
    await assertRefused({ key: { keys: [two] } as never, algorithms }, first, /no applicable key/);
    const symmetric = await sign({}, secret, { alg: "HS256" });
    const jwk = { kty: "oct", k: secret.toString("base64url") };
    for (const key of [secret, createSecretKey(secret), jwk]) {
      assert.equal((await judged({ key, algorithms: ["HS256"] }, symmetric)).answer, "in");
    }
    await assertRefused({ key: randomBytes(32), algorithms: ["HS256"] }, symmetric, /signature/);
  });

  it("fetches keys from their address, and says so where it cannot", async (t) => {
    let status = 200;
    const keys = [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" }];
    const http = createServer((_request, response) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    t.after(() => http.close());
    const key = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}/keys`);
    const token = await sign({}, privateKey, { kid: "1" });
    assert.equal((await judged({ key }, token)).answer, "in");
    await assertRefused({ key }, await sign({}, privateKey, { kid: "2" }), /no applicable key/);
    status = 500;
    await assert.rejects(judged({ key }, token), KeysUnavailableError);
    http.closeAllConnections();
    http.close();
    await once(http, "close");
    await assert.rejects(judged({ key }, token), KeysUnavailableError);
  });

  it("lets a token for single use in once, also of two at a time, and needs its id", async () => {
    const middleware = await jwt<string>({ ...base, singleUse: true });
    const token = await sign({ jti: "1" });
    const answers = await Promise.all([
      connectBy(middleware, hello(token)),
      connectBy(middleware, hello(token)),
    ]);
    // Which of the two is first is for their signatures' checks to say.
    assert.equal(answers.filter((answer) => answer instanceof Refusal).length, 1);
    assert.ok((await connectBy(middleware, hello(token))) instanceof Refusal);
    assert.equal(await connectBy(middleware, hello(await sign({ jti: "2" }))), "in");
    await assertRefused({ singleUse: true }, await sign(), /"jti"/);
    await assertRefused({ singleUse: true }, await sign({ jti: "x".repeat(257) }), /jti/);
  });

  it("tells issuers' tokens of the same id apart, and asks a store that others share", async () => {
    const claims: unknown[] = [];
    const usedTokens = {
      claim: async (id: string, expiresAtMs: number) => {
        claims.push([id, expiresAtMs]);
        return claims.length === 1 ? ("claimed" as const) : ("used" as const);
      },
    };
    const issuer = ["https://issuer.example", "https://other.example"];
    const middleware = await jwt<string>({
      ...base,
      issuer,
      singleUse: true,
      usedTokens,
      clockToleranceMs: 1000,
    });
    const exp = seconds() + 60;
    assert.equal(await connectBy(middleware, hello(await sign({ jti: "1", exp }))), "in");
    const second = await sign({ jti: "1", exp, iss: "https://other.example" });
    assert.ok((await connectBy(middleware, hello(second))) instanceof Refusal);
    assert.deepEqual(claims, [
      ['["https://issuer.example","1"]', exp * 1000 + 1000],
      ['["https://other.example","1"]', exp * 1000 + 1000],
    ]);
  });

  it("refuses further tokens while as many are in use as it may remember", async () => {
    const middleware = await jwt<string>({ ...base, singleUse: true, maxUsedTokens: 1 });
    assert.equal(await connectBy(middleware, hello(await sign({ jti: "1" }))), "in");
    const answer = await connectBy(middleware, hello(await sign({ jti: "2" })));
    assert.ok(answer instanceof Refusal && answer.code === RejectCode.full && answer.retryAfterMs! > 0);
  });

  it("takes a clock that is a little off, and no tokens that are too old", async () => {
    assert.equal(
      (await judged({ clockToleranceMs: 10_000 }, await sign({ exp: seconds() - 5 }))).answer,
      "in",
    );
    await assertRefused({ clockToleranceMs: 0 }, await sign({ exp: seconds() - 5 }), /"exp"/);
    const old = await sign({ iat: seconds() - 3600 });
    assert.equal((await judged({}, old)).answer, "in");
    await assertRefused({ maxAgeMs: 60_000 }, old, /"iat"/);
    await assertRefused({ maxAgeMs: 60_000 }, await sign(), /"iat"/);
  });

  it("gives the client id that the application makes of a token", async () => {
    const middleware = await jwt<string>({
      ...base,
      clientId: ({ sub }, { clientId }) => `${sub}-${clientId}`,
    });
    const where = context();
    assert.equal(await connectBy(middleware, hello(await sign(), "phone"), where), "in");
    assert.equal(where.clientId, "ada-phone");
    const anonymous = await jwt<string>({ ...base, clientId: () => undefined });
    const elsewhere = context("192.0.2.1", "asked-for");
    assert.equal(await connectBy(anonymous, hello(await sign({ sub: undefined } as never)), elsewhere), "in");
    assert.equal(elsewhere.clientId, undefined);
    const strange = await jwt<string>({ ...base, clientId: () => "a\u0000b" });
    await assert.rejects(connectBy(strange, hello(await sign())), InvalidArgumentError);
  });

  it("refuses options that are none", async () => {
    const jwk = await exportJWK(privateKey);
    const wrong: readonly Partial<Record<keyof JwtOptions, unknown>>[] = [
      { algorithms: ["none"] },
      { algorithms: ["ES256", "NONE"] },
      { algorithms: [] },
      { algorithms: undefined },
      { algorithms: "ES256" },
      { issuer: undefined },
      { issuer: "" },
      { audience: [] },
      { singleUse: undefined },
      { key: "secret" },
      { key: privateKey },
      { key: jwk },
      { key: { keys: [] } },
      { key: { keys: [{ kty: "oct", k: secret.toString("base64url") }] } },
      { key: new URL("http://issuer.example/keys") },
      { key: randomBytes(31), algorithms: ["HS256"] },
      { key: createSecretKey(randomBytes(31)), algorithms: ["HS256"] },
      { key: { kty: "oct", k: "c2hvcnQ" }, algorithms: ["HS256"] },
      { usedTokens: {} },
      { maxUsedTokens: 0 },
    ];
    for (const options of wrong) {
      await assert.rejects(
        jwt({ ...base, ...options } as never),
        InvalidArgumentError,
        JSON.stringify(options),
      );
    }
  });
});

describe("used tokens in memory", () => {
  it("are forgotten when they have expired, and not before", () => {
    let nowMs = 0;
    const used = new MemoryUsedTokens(10, () => nowMs);
    assert.equal(used.claim("a", 60_000), "claimed");
    assert.equal(used.claim("b", 600_000), "claimed");
    nowMs = 60_000;
    assert.equal(used.claim("a", 60_000), "used");
    nowMs = 120_000;
    assert.equal(used.claim("c", 600_000), "claimed");
    assert.equal(used.count, 2);
    assert.equal(used.claim("b", 600_000), "used");
  });

  it("are no more than so many, and none is forgotten for another", () => {
    let nowMs = 0;
    const used = new MemoryUsedTokens(100, () => nowMs);
    for (let i = 0; i < 100; i += 1) assert.equal(used.claim(`${i}`, 60_000 + i), "claimed");
    assert.equal(used.claim("more", 60_000), "full");
    for (let i = 0; i < 100; i += 1) assert.equal(used.claim(`${i}`, 60_000 + i), "used");
    nowMs = 180_000;
    assert.equal(used.claim("more", 600_000), "claimed");
    assert.equal(used.count, 1);
  });
});
