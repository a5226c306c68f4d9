import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { AddressInUseError } from "millrace";
import type * as quic from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { Loopback } from "../kit/loopback.js";

const loopback = await Loopback.make();

describe("a UDP port that a listener of this thread has let go", () => {
  test("is listened on again as soon as its last connection is gone", async (t) => {
    const accepted = deferred<quic.QuicConnection>();
    const listener = await loopback.listenRaw(t, { open: (connection) => accepted.resolve(connection) });
    const { port } = listener.address;
    const client = await loopback.connectRaw(t, port);
    const server = await accepted.promise;
    await listener.close();
    const again = loopback.listenRaw(t, {}, { port });
    // Long enough for the first try, which finds the connection there.
    for (let i = 0; i < 5; i += 1) await client.statistics();
    await Promise.all([client.close(), server.close()]);
    assert.equal((await again).address.port, port);
  });

  test("is in use where another program has taken it since", async (t) => {
    const listener = await loopback.listenRaw(t, {});
    const { port } = listener.address;
    await listener.close();
    const socket = createSocket("udp4");
    t.after(() => socket.close());
    // msquic may have the port a moment longer.
    for (let bound = false; !bound; ) {
      socket.bind({ port, address: "127.0.0.1", exclusive: true });
      bound = await once(socket, "listening").then(
        () => true,
        () => false,
      );
    }
    await assert.rejects(loopback.listenRaw(t, {}, { port }), AddressInUseError);
  });
});
