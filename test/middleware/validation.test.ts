import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { InvalidArgumentError } from "millrace";
import * as v from "valibot";
import { FailureCode, RequestFailure } from "#internal/delivery/failure.js";
import type { StandardSchema } from "#internal/middleware/standard_schema.js";
import { validation } from "#internal/middleware/validation.js";
import type { Incoming } from "#internal/server/middleware.js";
import { FakeSession, incoming, pass } from "./kit.js";

const session = new FakeSession();
const textOf = ({ payload }: Incoming) => new TextDecoder().decode(payload);
const request = (payload: string | Uint8Array, subject = "user.add") => incoming("request", subject, payload);
const user = v.object({ name: v.pipe(v.string(), v.trim(), v.minLength(1)), age: v.optional(v.number(), 0) });

/** A schema of no library. */
function schema<T>(validate: StandardSchema<T>["~standard"]["validate"]): StandardSchema<T> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

function isMalformed(reason: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RequestFailure && error.code === FailureCode.malformed);
    assert.match(error.message, reason);
    return true;
  };
}

describe("the validation middleware", () => {
  it("passes on what a schema made of a payload, and nothing else of it", () => {
    const middleware = validation<string>({ requests: { "user.add": user } });
    const good = request('{ "name": " Ada ", "admin": true, "name2": 1 }');
    assert.equal(pass(middleware, session, good), "handled");
    assert.equal(textOf(good), '{"name":"Ada","age":0}');
    assert.deepEqual(middleware.value(good), { name: "Ada", age: 0 });
    const twice = request('{"name":"a","name":"b"}');
    pass(middleware, session, twice);
    assert.equal(textOf(twice), '{"name":"b","age":0}');
  });

  it("fails a request that is not valid, and says where", () => {
    const middleware = validation<string>({ requests: { "user.add": user } });
    const attempt = (payload: string) => () => pass(middleware, session, request(payload));
    assert.throws(attempt('{"name":5}'), isMalformed(/^name: /));
    assert.throws(attempt('{"name":""}'), isMalformed(/^name: /));
    assert.throws(attempt("[]"), isMalformed(/./));
    assert.equal(middleware.value(request("{}")), undefined);
  });

  it("takes schemas of any library that follows the standard", () => {
    const issues = Array.from({ length: 5 }, (_, i) => ({ message: `bad\r\n${i}`, path: ["a", { key: i }] }));
    const any = Object.assign(
      () => {},
      schema((value) => (value === 1 ? { value: { one: true } } : { issues })),
    );
    const middleware = validation<string>({ requests: { "user.add": any } });
    const good = request("1");
    assert.equal(pass(middleware, session, good), "handled");
    assert.equal(textOf(good), '{"one":true}');
    const reason = /^a\.0: bad\\u\{d\}\\u\{a\}0; a\.1: .*; and 2 more$/;
    assert.throws(() => pass(middleware, session, request("2")), isMalformed(reason));
  });

  it("ends a message that is not valid, by its type", () => {
    const middleware = validation<string>({ messages: { 7: v.number() } });
    const message = (type: number, payload: string) =>
      pass(middleware, session, incoming("message", undefined, payload, type));
    assert.equal(message(7, "1"), "handled");
    assert.equal(message(7, '"1"'), undefined);
    assert.equal(message(8, "1"), undefined);
    assert.equal(pass(middleware, session, request("no JSON")), "handled", "requests have no schemas here");
  });

  it("finds the schema of a publication by its subject, and looks at no subscription", () => {
    const middleware = validation<string>({ publications: { "room.1": v.number(), "room.*": v.string() } });
    const publish = (subject: string, payload: string) =>
      pass(middleware, session, incoming("publish", subject, payload));
    assert.equal(publish("room.1", "1"), "handled");
    assert.throws(() => publish("room.1", '"a"'), isMalformed(/./));
    assert.equal(publish("room.2", '"a"'), "handled");
    assert.throws(() => publish("hall", "1"), isMalformed(/no schema/));
    assert.equal(pass(middleware, session, incoming("subscribe", "room.*")), "handled");
  });

  it("lets pass what has no schema where it is told to", () => {
    const middleware = validation<string>({ requests: { "user.add": user }, others: "pass" });
    assert.equal(pass(middleware, session, request("anything", "user.list")), "handled");
    assert.throws(() => pass(middleware, session, request("anything")), isMalformed(/no JSON/));
    const strict = validation<string>({ requests: { "user.add": user } });
    for (const subject of ["user.list", "toString", "__proto__"]) {
      assert.throws(() => pass(strict, session, request("{}", subject)), isMalformed(/no schema/));
    }
  });

  it("refuses JSON that is made to harm: of no UTF-8, too deep, of too many values, or with __proto__", () => {
    const middleware = validation<string>({ requests: { "user.add": v.any() }, maxValues: 1000 });
    const harmful = [
      new Uint8Array([0x22, 0xff, 0x22]),
      "",
      "nul",
      `${"[".repeat(40)}${"]".repeat(40)}`,
      "[".repeat(500_000),
      `[${"0,".repeat(1000)}0]`,
      '{"__proto__":{"admin":true}}',
      '[{"a":[{"\\u005f_proto__":1}]}]',
    ];
    for (const payload of harmful) {
      assert.throws(
        () => pass(middleware, session, request(payload)),
        isMalformed(/no JSON that is accepted/),
      );
    }
    const fine = request(
      `{"constructor":1,"a":[${"0,".repeat(900)}0],"b":${"[".repeat(30)}${"]".repeat(30)}}`,
    );
    assert.equal(pass(middleware, session, fine), "handled");
  });

  it("gives every JSON value on as it is, where its schema does", () => {
    const middleware = validation<string>({ requests: { "user.add": v.any() } });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        if (/"__proto__"/.test(text)) return;
        const what = request(text);
        assert.equal(pass(middleware, session, what), "handled");
        assert.equal(textOf(what), text);
      }),
    );
  });

  it("waits for a schema that is asynchronous, where it is told that there are such", async () => {
    const slow = schema(async (value) => (value === 1 ? { value: 2 } : { issues: [{ message: "not one" }] }));
    const middleware = validation<string>({ requests: { "user.add": slow }, asynchronous: true });
    const good = request("1");
    assert.equal(await pass(middleware, session, good), "handled");
    assert.equal(textOf(good), "2");
    await assert.rejects(
      pass(middleware, session, request("3")) as Promise<unknown>,
      isMalformed(/^not one$/),
    );
    assert.equal(
      Object.getPrototypeOf(middleware.incoming),
      Object.getPrototypeOf(async () => {}),
    );
    const unaware = validation<string>({ requests: { "user.add": slow } });
    assert.throws(() => pass(unaware, session, request("1")), /a schema is asynchronous/);
  });

  it("does not pass on what JSON cannot say", () => {
    const middleware = validation<string>({ requests: { "user.add": schema(() => ({ value: undefined })) } });
    assert.throws(() => pass(middleware, session, request("1")), TypeError);
  });

  it("refuses options that are none", () => {
    const wrong = [
      { requests: { "a..b": user } },
      { requests: { a: {} } },
      { messages: { x: user } },
      { messages: { "-1": user } },
      { messages: { 4294967296: user } },
      { publications: { "a b": user } },
      { others: "drop" },
    ];
    for (const options of wrong) assert.throws(() => validation(options as never), InvalidArgumentError);
  });
});
