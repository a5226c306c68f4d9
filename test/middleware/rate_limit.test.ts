import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CloseCode, InvalidArgumentError } from "millrace";
import { FailureCode, RequestFailure } from "#internal/delivery/failure.js";
import { type RateLimitOptions, rateLimit } from "#internal/middleware/rate_limit.js";
import { FakeSession, incoming, pass } from "./kit.js";

function limited(options: RateLimitOptions) {
  let nowMs = 0;
  return { middleware: rateLimit<string>(options, () => nowMs), advance: (ms: number) => (nowMs += ms) };
}

const message = (bytes = 10) => incoming("message", undefined, new Uint8Array(bytes));

describe("the rate limit middleware", () => {
  it("drops what a session sends beyond its rate, and fails its requests", () => {
    const { middleware, advance } = limited({ messagesPerSecond: 10, messagesBurst: 2, exceeded: "drop" });
    const session = new FakeSession();
    assert.equal(pass(middleware, session, message()), "handled");
    assert.equal(pass(middleware, session, message()), "handled");
    assert.equal(pass(middleware, session, message()), undefined);
    for (const kind of ["request", "publish", "subscribe"] as const) {
      assert.throws(
        () => pass(middleware, session, incoming(kind, "a")),
        (error) =>
          error instanceof RequestFailure &&
          error.code === FailureCode.overloaded &&
          error.retryAfterMs === 100,
      );
    }
    assert.equal(pass(middleware, new FakeSession(), message()), "handled", "another session has its own");
    advance(100);
    assert.equal(pass(middleware, session, message()), "handled");
    assert.deepEqual(session.closes, []);
  });

  it("counts bytes, takes none of either where one is short, and lets one large payload through", () => {
    const options = {
      messagesPerSecond: 1,
      messagesBurst: 3,
      bytesPerSecond: 100,
      exceeded: "drop" as const,
    };
    const { middleware, advance } = limited(options);
    const session = new FakeSession();
    assert.equal(pass(middleware, session, message(90)), "handled");
    for (let i = 0; i < 10; i += 1) assert.equal(pass(middleware, session, message(11)), undefined);
    assert.equal(pass(middleware, session, message(10)), "handled");
    assert.equal(pass(middleware, session, message(0)), "handled");
    assert.equal(pass(middleware, session, message(0)), undefined);
    advance(1000);
    assert.equal(pass(middleware, session, message(5000)), "handled");
    advance(49_000);
    assert.equal(pass(middleware, session, message(1)), undefined);
    advance(1000);
    assert.equal(pass(middleware, session, message(1)), "handled");
  });

  it("closes a session that sends too much", () => {
    const { middleware } = limited({ messagesPerSecond: 1, exceeded: "close" });
    const session = new FakeSession();
    pass(middleware, session, message());
    assert.equal(pass(middleware, session, message()), undefined);
    assert.deepEqual(session.closes, [
      { code: CloseCode.policy, reason: "too much was sent", deadlineMs: 1000 },
    ]);
  });

  it("lets what is too much rest until it is its turn", async () => {
    const { middleware, advance } = limited({ messagesPerSecond: 10, messagesBurst: 1, exceeded: "delay" });
    const session = new FakeSession();
    const [first, second, third] = [message(), message(), message()] as const;
    assert.equal(await pass(middleware, session, first), "handled");
    assert.equal(await pass(middleware, session, second), "handled");
    assert.equal(await pass(middleware, session, third), "handled");
    assert.deepEqual([first.rests, second.rests, third.rests], [[], [100], [200]]);
    advance(300);
    const later = message();
    await pass(middleware, session, later);
    assert.deepEqual(later.rests, []);
    assert.equal(
      Object.getPrototypeOf(middleware.incoming),
      Object.getPrototypeOf(async () => {}),
    );
  });

  it("may have other rates from one moment to the next, for sessions that are there, too", () => {
    const { middleware, advance } = limited({ messagesPerSecond: 1, exceeded: "drop" });
    const session = new FakeSession();
    const passes = (bytes = 10) => pass(middleware, session, message(bytes)) === "handled";
    assert.deepEqual([passes(), passes()], [true, false]);
    middleware.update({ messagesPerSecond: 10, messagesBurst: 3 });
    assert.deepEqual([passes(), passes(), passes()], [true, true, false], "one of three is used up");
    assert.throws(() => middleware.update({}), InvalidArgumentError);
    assert.throws(() => middleware.update({ exceeded: "drop" } as never), InvalidArgumentError);
    assert.equal(passes(), false, "nothing has changed");
    middleware.update({ bytesPerSecond: 100 });
    assert.deepEqual([passes(100), passes(1)], [true, false], "messages are not counted any more");
    advance(10);
    assert.equal(passes(1), true);
  });

  it("refuses options that are none", () => {
    const wrong = [
      {},
      { exceeded: "drop" },
      { messagesPerSecond: 0, exceeded: "drop" },
      { messagesPerSecond: 1 },
    ];
    for (const options of wrong) assert.throws(() => rateLimit(options as never), InvalidArgumentError);
    assert.throws(
      () => rateLimit({ bytesPerSecond: 1, messagesBurst: 5, exceeded: "drop" }),
      /a burst needs its rate/,
    );
  });
});
