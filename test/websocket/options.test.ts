import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, listen } from "millrace/websocket";
import { InvalidArgumentError } from "#internal/errors.js";

test("options of plain WebSockets that are wrong or unknown are refused by name, on both sides", async () => {
  for (const [options, said] of [
    [{ maxFrameBytes: 0 }, "maxFrameBytes must be an integer from 1 to 1073741824, and not 0"],
    [{ idleTimeoutMs: "1" }, 'idleTimeoutMs must be an integer from 0 to 86400000, and not "1"'],
    [{ protocols: [""] }, "protocols must be a list of names, each of 1 or more bytes, and not an array"],
    [{ maxFrameByte: 1 }, 'there is no option "maxFrameByte"; did you mean maxFrameBytes?'],
    [7, /^options must be an object \{protocols, .*, and not 7$/],
  ] as const) {
    for (const attempt of [
      listen("ws://127.0.0.1:0", {} as never, options as object),
      connect("ws://127.0.0.1:1", {} as never, options as object),
    ]) {
      await assert.rejects(attempt, (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError);
        if (typeof said === "string") assert.equal(error.message, said);
        else assert.match(error.message, said);
        return true;
      });
    }
  }
});
