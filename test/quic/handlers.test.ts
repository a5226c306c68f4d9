import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { QuicBehaviour } from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";

let loopback: Loopback;
before(async () => {
  loopback = await Loopback.make();
});

const fault = new Error("the application's");

const faulty: Readonly<Record<string, QuicBehaviour>> = {
  "throws in stream": {
    stream: () => {
      throw fault;
    },
  },
  "rejects in stream": { stream: () => Promise.reject(fault) },
  "throws in data": {
    data: () => {
      throw fault;
    },
  },
  "rejects in data": { data: () => Promise.reject(fault) },
  "rejects in end": { end: () => Promise.reject(fault) },
};

describe("a handler's fault goes to the error handler, and the connection goes on, when it", () => {
  for (const [what, behaviour] of Object.entries(faulty)) {
    test(what, async (t) => {
      const reported = deferred<unknown>();
      const error = (_connection: unknown, cause: unknown) => reported.resolve(cause);
      const { client, server } = await openPair(loopback, t, { behaviour: { ...behaviour, error } });
      const stream = client.openStream({ direction: "unidirectional" });
      stream.write(Buffer.from("something"));
      stream.end();
      assert.equal(await reported.promise, fault);
      assert.equal(server.state, "open");
    });
  }
});
