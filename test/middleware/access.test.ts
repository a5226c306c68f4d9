import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import { FailureCode, RequestFailure } from "#internal/delivery/failure.js";
import { access } from "#internal/middleware/access.js";
import type { AccessRules } from "#internal/middleware/access_rules.js";
import type { Incoming } from "#internal/server/middleware.js";
import { isSubject, matches } from "#internal/topic/subject.js";
import { FakeSession, incoming, pass } from "./kit.js";

/** Whether rules let something pass; what is refused must be refused in the way of its kind. */
function isAllowed(
  rules: AccessRules,
  kind: Incoming["kind"],
  subject: string | undefined,
  clientId?: string,
): boolean {
  const middleware = access<string>({ rules });
  const attempt = () => pass(middleware, new FakeSession(clientId), incoming(kind, subject));
  if (kind === "message") return attempt() === "handled";
  try {
    return attempt() === "handled";
  } catch (error) {
    assert.ok(error instanceof RequestFailure && error.code === FailureCode.forbidden);
    return false;
  }
}

describe("the access middleware", () => {
  it("allows what is named, but for what is denied, and denies all else", () => {
    const rules = { request: { allow: ["users.*.get", "chat.>"], deny: ["chat.admin.>", "users.root.*"] } };
    const allowed = (subject: string) => isAllowed(rules, "request", subject);
    for (const subject of ["users.7.get", "chat.room", "chat.room.42", "chat.admin"])
      assert.ok(allowed(subject), subject);
    for (const subject of ["users.root.get", "chat.admin.kick", "chat", "users.7.set", "users.7", "other"]) {
      assert.ok(!allowed(subject), subject);
    }
  });

  it("denies each kind that has no rules", () => {
    for (const kind of ["request", "publish", "subscribe", "message"] as const) {
      assert.ok(!isAllowed({}, kind, "a"));
      assert.ok(!isAllowed({ [kind]: {} }, kind, "a"));
      assert.ok(isAllowed({ [kind]: { allow: [">"] } }, kind, "a"));
    }
    assert.ok(isAllowed({}, "message", undefined), "what has no subject is not looked at");
  });

  it("allows a subscription where all that it brings is allowed, and none of it denied", () => {
    const rules = { subscribe: { allow: ["chat.>", "news.*"], deny: ["chat.*.secret"] } };
    const allowed = (pattern: string) => isAllowed(rules, "subscribe", pattern);
    for (const pattern of ["chat.a", "chat.a.b", "news.*", "news.x", "chat.*", "chat.*.b"])
      assert.ok(allowed(pattern), pattern);
    for (const pattern of ["chat.>", "chat.*.*", "chat.a.secret", "chat.a.>", "news.>", ">", "*.a", "*.>"]) {
      assert.ok(!allowed(pattern), pattern);
    }
  });

  it("puts a client's id where its rules say so, only where it is one token", () => {
    const rules = { subscribe: { allow: ["inbox.{clientId}.>"] }, publish: { allow: ["outbox.{clientId}"] } };
    assert.ok(isAllowed(rules, "subscribe", "inbox.ada.mail", "ada"));
    assert.ok(isAllowed(rules, "publish", "outbox.ada", "ada"));
    assert.ok(!isAllowed(rules, "subscribe", "inbox.bob.mail", "ada"));
    for (const id of ["*", ">", "a.b", "", " ", "a\u0000", undefined]) {
      assert.ok(!isAllowed(rules, "subscribe", "inbox.bob.mail", id), `${id}`);
      assert.ok(!isAllowed(rules, "subscribe", `inbox.${id}.mail`, id), `${id}`);
      assert.ok(!isAllowed(rules, "publish", `outbox.${id}`, id), `${id}`);
    }
  });

  it("denies what is no subject, however wide the rules are", () => {
    for (const kind of ["request", "publish", "message"] as const) {
      for (const subject of ["", "a..b", ".a", "a.", "a b", "a\u0000", "*", "a.>", "e\u0301"]) {
        assert.ok(!isAllowed({ [kind]: { allow: [">"] } }, kind, subject), subject);
      }
    }
    assert.ok(!isAllowed({ subscribe: { allow: [">"] } }, "subscribe", "a.>.b"));
  });

  it("never lets a subscription bring what its owner may not be brought", () => {
    const token = fc.constantFrom("a", "b", "*");
    const pattern = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? [">"] : [])].join("."));
    const subject = fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 })
      .map((tokens) => tokens.join("."));
    const patterns = fc.array(pattern, { maxLength: 3 });
    fc.assert(
      fc.property(
        patterns,
        patterns,
        pattern,
        fc.array(subject, { maxLength: 20 }),
        (allow, deny, wanted, subjects) => {
          if (!isAllowed({ subscribe: { allow, deny } }, "subscribe", wanted)) return;
          for (const each of subjects) {
            assert.ok(isSubject(each));
            if (!matches(wanted, each)) continue;
            assert.ok(allow.some((rule) => matches(rule, each)) && !deny.some((rule) => matches(rule, each)));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("asks for each session's own rules once, and again when they have changed", () => {
    const granted: AccessRules[] = [{ request: { allow: ["a"] } }, { request: { allow: ["b"] } }];
    let asked = 0;
    const middleware = access<string>({ rules: () => granted[asked++]! });
    const session = new FakeSession();
    assert.equal(pass(middleware, session, incoming("request", "a")), "handled");
    assert.equal(pass(middleware, session, incoming("request", "a")), "handled");
    assert.equal(asked, 1);
    middleware.refresh(session.session);
    assert.throws(() => pass(middleware, session, incoming("request", "a")), RequestFailure);
    assert.equal(pass(middleware, session, incoming("request", "b")), "handled");
  });

  it("tells of what it denies", () => {
    const denied: unknown[] = [];
    const middleware = access<string>({
      rules: {},
      denied: (session, { kind, subject }) => denied.push([session.clientId, kind, subject]),
    });
    pass(middleware, new FakeSession("ada"), incoming("message", "x"));
    assert.deepEqual(denied, [["ada", "message", "x"]]);
  });

  it("refuses rules that are none, also a session's own", () => {
    const wrong = [
      { request: { allow: ["a..b"] } },
      { requests: {} },
      { request: { allow: "a" } },
      { publish: ["a"] },
    ];
    for (const rules of wrong) {
      assert.throws(() => access({ rules: rules as never }), InvalidArgumentError);
      const middleware = access<string>({ rules: () => rules as never });
      assert.throws(
        () => pass(middleware, new FakeSession(), incoming("request", "a")),
        InvalidArgumentError,
      );
    }
    assert.throws(() => access({ rules: undefined as never }), InvalidArgumentError);
  });
});
