import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import { RequestFailure } from "#internal/delivery/failure.js";
import { cleanText } from "#internal/middleware/clean_text.js";
import { type LogFields, type LoggingOptions, type LogLevel, logging } from "#internal/middleware/logging.js";
import { refuse } from "#internal/server/refusal.js";
import { close, connectBy, context, FakeSession, hello, incoming, pass, send } from "./kit.js";

type Entry = readonly [LogLevel, string, LogFields];

function recorder(options: Partial<LoggingOptions> = {}) {
  const entries: Entry[] = [];
  const logger = (...entry: Entry) => entries.push(entry);
  return { entries, middleware: logging<string>({ logger, ...options }) };
}

describe("a log's text", () => {
  it("is one line in which nothing acts on a terminal, and no longer than it may be", () => {
    assert.equal(
      cleanText("a\r\nb\u001b[31mc\0\u007f\u0085"),
      "a\\u{d}\\u{a}b\\u{1b}[31mc\\u{0}\\u{7f}\\u{85}",
    );
    assert.equal(cleanText("\u2028\u202egnp.exe\u2066\ud800"), "\\u{2028}\\u{202e}gnp.exe\\u{2066}\\u{d800}");
    assert.equal(cleanText("é 漢 🙂 \\n"), "é 漢 🙂 \\n");
    assert.equal(cleanText("x".repeat(300)), `${"x".repeat(256)}…`);
    assert.equal(cleanText("ab🙂", 3), "ab\\u{d83d}…");
  });

  it("never has a control character in it, whatever it is of", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        assert.doesNotMatch(cleanText(text), /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe("the logging middleware", () => {
  it("logs who connects", async () => {
    const { entries, middleware } = recorder();
    assert.equal(await connectBy(middleware, hello("secret", "a\nb")), "in");
    const [[level, event, fields]] = entries as [Entry];
    assert.deepEqual([level, event], ["info", "connected"]);
    assert.deepEqual([fields.clientId, fields.transport, fields.address], ["a\\u{a}b", "tcp", "192.0.2.1"]);
    assert.equal(typeof fields.durationMs, "number");
    assert.doesNotMatch(JSON.stringify(entries), /secret/);
  });

  it("writes what is grave enough, which may be another level later", async () => {
    const { entries, middleware } = recorder({ level: "warn", messages: true });
    const payload = new Uint8Array(3);
    const say = () =>
      send(middleware, new FakeSession(), { kind: "message", type: 0, subject: undefined, payload });
    await connectBy(middleware, hello());
    say();
    assert.equal(entries.length, 0);
    middleware.level = "debug";
    assert.equal(middleware.level, "debug");
    await connectBy(middleware, hello());
    say();
    assert.deepEqual(
      entries.map(([level, event]) => `${level} ${event}`),
      ["info connected", "debug sent"],
    );
    assert.throws(() => {
      middleware.level = "loud" as LogLevel;
    }, InvalidArgumentError);
    assert.equal(middleware.level, "debug");
  });

  it("logs who is refused by the server's limits as refused, and not as connected before", async () => {
    const { entries, middleware } = recorder();
    const [said, where] = [hello("", "c"), context()];
    assert.equal(await middleware.connect!(said, where, async () => "in"), "in");
    assert.equal(entries.length, 0);
    middleware.settled!(said, where, refuse("full\n", { code: 7 }));
    const [[level, event, { clientId, code, reason }]] = entries as [Entry];
    assert.deepEqual([level, event, clientId, code, reason], ["warn", "refused", "c", 7, "full\\u{a}"]);
  });

  it("logs who is refused and why, and what authentication throws, and changes neither", async () => {
    const { entries, middleware } = recorder();
    const refusal = refuse("no\r\nsuch thing", { code: 300 });
    assert.equal(await middleware.connect!(hello(), context(), async () => refusal), refusal);
    const cause = new TypeError("the database\u001b[2J is down");
    const failing = middleware.connect!(hello(), context(), () => Promise.reject(cause));
    await assert.rejects(failing, (error) => error === cause);
    assert.deepEqual(
      entries.map(([level, event, { code, reason, error, message }]) => ({
        level,
        event,
        code,
        reason,
        error,
        message,
      })),
      [
        {
          level: "warn",
          event: "refused",
          code: 300,
          reason: "no\\u{d}\\u{a}such thing",
          error: undefined,
          message: undefined,
        },
        {
          ...{ level: "error", event: "failed", code: undefined, reason: undefined },
          ...{ error: "TypeError", message: "the database\\u{1b}[2J is down" },
        },
      ],
    );
  });

  it("logs messages only where it is asked to, never their contents", () => {
    const session = new FakeSession("c");
    const quiet = recorder();
    assert.equal(pass(quiet.middleware, session, incoming("message", "s", "hidden")), "handled");
    assert.equal(quiet.middleware.outgoing, undefined);
    assert.deepEqual(quiet.entries, []);
    const { entries, middleware } = recorder({ messages: true });
    assert.equal(pass(middleware, session, incoming("request", "s\n", "hidden", 7)), "handled");
    const payload = new TextEncoder().encode("hidden");
    assert.equal(
      send(middleware, session, { kind: "message", type: 8, subject: "t", payload }, "blocked"),
      "blocked",
    );
    const [received, sent] = entries as [Entry, Entry];
    assert.deepEqual(received.slice(0, 2), ["debug", "received"]);
    assert.deepEqual(
      [received[2].kind, received[2].subject, received[2].type, received[2].bytes],
      ["request", "s\\u{a}", 7, 6],
    );
    assert.deepEqual(sent.slice(0, 2), ["debug", "sent"]);
    assert.deepEqual([sent[2].subject, sent[2].bytes, sent[2].result], ["t", 6, "blocked"]);
    assert.doesNotMatch(JSON.stringify(entries), /hidden/);
  });

  it("logs what a handler throws or rejects with, and passes it on", async () => {
    const { entries, middleware } = recorder();
    const session = new FakeSession();
    const cause = Object.assign(new Error("broken"), { code: "E_BROKEN" });
    assert.throws(
      () =>
        pass(middleware, session, incoming("message", undefined), () => {
          throw cause;
        }),
      (error) => error === cause,
    );
    const rejecting = pass(middleware, session, incoming("message", undefined), () => Promise.reject(cause));
    await assert.rejects(rejecting as Promise<unknown>, (error) => error === cause);
    assert.deepEqual(
      entries.map(([level, event, { code, message }]) => [level, event, code, message]),
      [
        ["error", "failed", "E_BROKEN", "broken"],
        ["error", "failed", "E_BROKEN", "broken"],
      ],
    );
  });

  it("logs a request that is refused on purpose as that, and not as a fault", async () => {
    const { entries, middleware } = recorder();
    const refused = pass(middleware, new FakeSession(), incoming("request", "a"), async () => {
      throw new RequestFailure("not\nyours", 6);
    });
    await assert.rejects(refused as Promise<unknown>, RequestFailure);
    const [[level, event, { subject, code, reason }]] = entries as [Entry];
    assert.deepEqual([level, event, subject, code, reason], ["warn", "refused", "a", 6, "not\\u{a}yours"]);
  });

  it("logs how sessions end", () => {
    const { entries, middleware } = recorder();
    close(middleware, new FakeSession("c"), { by: "peer", code: 256, reason: "bye\r\n" });
    const [[level, event, fields]] = entries as [Entry];
    assert.deepEqual(
      [level, event, fields.by, fields.code, fields.reason],
      ["info", "closed", "peer", 256, "bye\\u{d}\\u{a}"],
    );
    assert.equal(fields.session, "0123456789abcdef0123456789abcdef");
  });

  it("cuts texts where it is told to", async () => {
    const { entries, middleware } = recorder({ maxTextLength: 16 });
    await connectBy(middleware, hello("", "x".repeat(200)));
    assert.equal(entries[0]![2].clientId, `${"x".repeat(16)}…`);
  });

  it("takes a logger like pino's", async () => {
    const lines: unknown[] = [];
    const method = (level: string) => (fields: LogFields, event: string) =>
      lines.push([level, event, fields.transport]);
    const logger = {
      debug: method("debug"),
      info: method("info"),
      warn: method("warn"),
      error: method("error"),
    };
    await connectBy(logging<string>({ logger }), hello());
    assert.deepEqual(lines, [["info", "connected", "tcp"]]);
  });

  it("lets traffic go on when its logger throws, and warns of that once", async () => {
    const { middleware } = recorder({
      logger: () => {
        throw new Error("disk full");
      },
    });
    const warned = once(process, "warning");
    for (let i = 0; i < 3; i += 1) assert.equal(await connectBy(middleware, hello()), "in");
    const [warning] = (await warned) as [Error & { code?: string }];
    assert.equal(warning.code, "MILLRACE_LOGGER");
    assert.match(warning.message, /disk full/);
  });

  it("refuses options that are none", () => {
    for (const logger of [undefined, {}, { info() {} }, "console"]) {
      assert.throws(() => logging({ logger: logger as never }), InvalidArgumentError);
    }
    assert.throws(
      () => logging({ logger: () => {}, maxTextLength: 1 }),
      /maxTextLength must be an integer from 16/,
    );
  });
});
