import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionRefusedError } from "millrace";
import { RejectCode } from "millrace/server";
import { mayRetry } from "#internal/client/retrying.js";

const refused = (rejectCode: number, retryAfterMs?: number) =>
  new SessionRefusedError("no", { rejectCode, retryAfterMs });

test("what is refused for what it is comes no more, and what is refused for other reasons does", () => {
  const course = Object.entries({ ...RejectCode, "the application's": 300, "a code of a later version": 200 })
    .map(([name, code]) => [name, mayRetry(refused(code)), mayRetry(refused(code, 5_000))])
    .map(
      ([name, always, asked]) =>
        `${name}: ${always ? "comes" : asked ? "comes when it is asked to" : "never"}`,
    );
  assert.deepEqual(course, [
    "unauthenticated: never",
    "version: never",
    "full: comes",
    "tooOften: comes",
    "clientIdTaken: comes when it is asked to",
    "goingAway: comes",
    "internal: comes",
    "elsewhere: comes",
    "timeout: comes",
    "the application's: comes when it is asked to",
    "a code of a later version: comes",
  ]);
});
