import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { QuicBehaviour } from "millrace/quic";
import { StreamResetError } from "#internal/errors.js";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";
import { openPair } from "../kit/pair.js";
import { until } from "../kit/until.js";

const loopback = await Loopback.make();

const fault = new Error("the application's");

/** Handlers that are called for a stream, with a fault in each. */
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
  "throws in streamClose": {
    end: (stream) => stream.end(),
    streamClose: () => {
      throw fault;
    },
  },
};

describe("a handler's fault goes to the error handler with its stream, and the connection goes on, when it", () => {
  for (const [what, behaviour] of Object.entries(faulty)) {
    test(what, async (t) => {
      const reported = deferred<Parameters<NonNullable<QuicBehaviour["error"]>>>();
      const error: QuicBehaviour["error"] = (...report) => reported.resolve(report);
      const { client, server } = await openPair(loopback, t, { behaviour: { ...behaviour, error } });
      const stream = client.openStream({ direction: "unidirectional" });
      stream.write(Buffer.from("something"));
      stream.end();
      const [connection, cause, itsStream] = await reported.promise;
      assert.equal(connection, server);
      assert.equal(cause, fault);
      assert.equal(itsStream?.initiator, "peer");
      assert.equal(itsStream.connection, server);
      assert.equal(server.state, "open");
    });
  }

  test("throws, so that the stream can be reset", async (t) => {
    const { client } = await openPair(loopback, t, {
      behaviour: {
        data: () => Promise.reject(fault),
        error: (_connection, _cause, stream) => stream?.reset(77),
      },
    });
    const stream = client.openStream();
    stream.write(Buffer.from("something"));
    await assert.rejects(
      stream[Symbol.asyncIterator]().next(),
      (error) => error instanceof StreamResetError && error.applicationCode === 77,
    );
  });

  test("throws in a handler of the connection, which has no stream", async (t) => {
    const reported = deferred<unknown[]>();
    const { client } = await openPair(loopback, t, {
      behaviour: {
        datagram: () => Promise.reject(fault),
        error: (...report) => reported.resolve(report.slice(1)),
      },
      options: { datagrams: true },
    });
    await until("datagrams are possible", () => client.maxDatagramBytes > 0);
    client.sendDatagram(new Uint8Array(1));
    assert.deepEqual(await reported.promise, [fault, undefined]);
  });
});
