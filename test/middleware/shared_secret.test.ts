import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError } from "millrace";
import { RejectCode } from "#internal/delivery/reject.js";
import { Guesses } from "#internal/middleware/guesses.js";
import { type SharedSecretOptions, sharedSecret } from "#internal/middleware/shared_secret.js";
import { Refusal } from "#internal/server/refusal.js";
import { deferred } from "../kit/deferred.js";
import { connectBy, context, hello } from "./kit.js";

function guard(options: SharedSecretOptions) {
  let nowMs = 0;
  const middleware = sharedSecret<string>(options, () => nowMs);
  return {
    advance: (ms: number) => (nowMs += ms),
    middleware,
    try: (token: string | Uint8Array, account?: string, address?: string) =>
      connectBy(middleware, hello(token, account), context(address)),
  };
}

function isRefused(answer: string | Refusal, code: number): asserts answer is Refusal {
  assert.ok(answer instanceof Refusal, `${answer}`);
  assert.equal(answer.code, code);
}

describe("the shared secret middleware", () => {
  it("lets in who has the secret, and nobody else", async () => {
    const { try: attempt } = guard({ secret: "geheim" });
    assert.equal(await attempt("geheim"), "in");
    assert.equal(await attempt(new TextEncoder().encode("geheim")), "in");
    for (const wrong of ["", "g", "geheim ", "Geheim", "geheimgeheim"]) {
      isRefused(await attempt(wrong, "a", "192.0.2.9"), RejectCode.unauthenticated);
    }
  });

  it("takes any of several secrets, while one replaces another", async () => {
    const { try: attempt } = guard({ secret: ["old", new Uint8Array([1, 2, 3])] });
    assert.equal(await attempt("old"), "in");
    assert.equal(await attempt(new Uint8Array([1, 2, 3])), "in");
    isRefused(await attempt("new"), RejectCode.unauthenticated);
  });

  it("looks up the secret of each account, and refuses one that does not exist in the same words", async () => {
    const secrets = new Map<string, string | string[]>([
      ["ada", "1"],
      ["bob", ["2", "3"]],
      ["eve", ""],
    ]);
    const { try: attempt } = guard({ secret: async (account) => secrets.get(account) });
    assert.equal(await attempt("1", "ada"), "in");
    assert.equal(await attempt("3", "bob"), "in");
    const wrong = await attempt("2", "ada");
    const unknown = await attempt("2", "nobody");
    isRefused(wrong, RejectCode.unauthenticated);
    assert.deepEqual(wrong, unknown);
    isRefused(await attempt("", "eve"), RejectCode.unauthenticated); // an empty secret is none
    isRefused(await attempt(""), RejectCode.unauthenticated);
  });

  it("slows down who guesses, more and more, and then does not even listen to what is right", async () => {
    const { try: attempt, advance } = guard({
      secret: "right",
      freeGuesses: 3,
      firstWaitMs: 1000,
      maxWaitMs: 3000,
    });
    for (let i = 0; i < 3; i += 1) isRefused(await attempt("wrong"), RejectCode.unauthenticated);
    for (const waitMs of [1000, 2000, 3000, 3000]) {
      const slowed = await attempt("right");
      isRefused(slowed, RejectCode.tooOften);
      assert.equal(slowed.retryAfterMs, waitMs);
      advance(waitMs - 1);
      isRefused(await attempt("right"), RejectCode.tooOften);
      advance(1);
      isRefused(await attempt("wrong"), RejectCode.unauthenticated);
    }
    advance(3000);
    assert.equal(await attempt("right"), "in");
    isRefused(await attempt("wrong"), RejectCode.unauthenticated); // begins anew
  });

  it("slows down an account that does not exist in the same way", async () => {
    const { try: attempt } = guard({
      secret: (account) => (account === "ada" ? "1" : undefined),
      freeGuesses: 2,
    });
    const guess = async (account: string) => {
      const answers: unknown[] = [];
      for (let i = 0; i < 4; i += 1)
        answers.push(await attempt("x", account, account === "ada" ? "10.0.0.1" : "10.0.0.2"));
      return answers;
    };
    assert.deepEqual(await guess("ada"), await guess("nobody"));
  });

  it("does not let one address lock an account for another", async () => {
    const { try: attempt } = guard({ secret: "right", freeGuesses: 1 });
    for (let i = 0; i < 5; i += 1) await attempt("wrong", "ada", "203.0.113.1");
    isRefused(await attempt("right", "ada", "203.0.113.1"), RejectCode.tooOften);
    assert.equal(await attempt("right", "ada", "203.0.113.2"), "in");
  });

  it("slows down an address that tries one guess at each account, or comes from all of its network", async () => {
    const { try: attempt } = guard({ secret: "right", freeGuesses: 1 });
    for (let i = 0; i < 10; i += 1) {
      isRefused(await attempt("wrong", `account${i}`, `2001:db8::${i}`), RejectCode.unauthenticated);
    }
    isRefused(await attempt("right", "another", "2001:db8::ffff"), RejectCode.tooOften);
    assert.equal(await attempt("right", "another", "2001:db8:0:1::1"), "in");
  });

  it("hears no more guesses at once than one after the other", async () => {
    const lookups = deferred<string>();
    const { try: attempt } = guard({ secret: () => lookups.promise, freeGuesses: 2 });
    const answers = Promise.all(["a", "b", "c", "right"].map((guess) => attempt(guess)));
    lookups.resolve("right");
    const codes = (await answers).map((answer) => (answer instanceof Refusal ? answer.code : answer));
    const { unauthenticated, tooOften } = RejectCode;
    assert.deepEqual(codes, [unauthenticated, unauthenticated, tooOften, tooOften]);
  });

  it("does not hold it against a client that its account cannot be looked up", async () => {
    let isDown = true;
    const { try: attempt } = guard({
      secret: () => {
        if (isDown) throw new Error("the database is down");
        return "right";
      },
      freeGuesses: 1,
    });
    for (let i = 0; i < 5; i += 1) await assert.rejects(attempt("right"), /the database is down/);
    isDown = false;
    assert.equal(await attempt("right"), "in");
  });

  it("refuses options that are none", () => {
    for (const secret of ["", [], [""], new Uint8Array(0), undefined, 5]) {
      assert.throws(() => sharedSecret({ secret: secret as never }), InvalidArgumentError);
    }
    assert.throws(() => sharedSecret({ secret: "a", freeGuesses: 0 }), /freeGuesses must be/);
  });
});

describe("wrong guesses", () => {
  const limits = {
    freeGuesses: 2,
    firstWaitMs: 1000,
    maxWaitMs: 60_000,
    forgetAfterMs: 10_000,
    maxTracked: 100,
  };

  it("are forgotten after a quiet while", () => {
    const guesses = new Guesses(limits);
    guesses.begin("a", "10.0.0.1", 0);
    guesses.wrong("10.0.0.1", 0);
    assert.equal(guesses.tracked, 2);
    guesses.begin("b", "10.0.0.2", 9_999);
    assert.equal(guesses.tracked, 3);
    guesses.begin("c", "10.0.0.3", 10_000);
    assert.equal(guesses.tracked, 2);
  });

  it("are remembered of no more than so many, those of who goes on guessing among them", () => {
    const guesses = new Guesses(limits);
    let now = 0;
    for (let i = 0; i < 10_000; i += 1) {
      now += 1;
      if (guesses.begin(`account ${i}`, "10.0.0.1", now) === 0) guesses.wrong("10.0.0.1", now);
      assert.ok(guesses.tracked <= 100);
    }
    assert.ok(guesses.begin("yet another", "10.0.0.1", now) > 0);
    assert.equal(guesses.begin("yet another", "10.0.0.2", now), 0);
  });
});
