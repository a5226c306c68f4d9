import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { until } from "../kit/until.js";
import type { Linker } from "./link.js";
import { exchange } from "./ours.js";

const transferBytes = 2 * 1024 * 1024;

/** A connection that moves to another address (RFC 9000 section 9), and what is under way on it. */
export function describeMigration(name: string, linker: () => Linker): void {
  describe(`when a connection between millrace and ${name} moves`, () => {
    test("our client's bytes go on, and the peer's server sees its new address", async (t) => {
      const { connection, ask } = await linker().link(t, "client");
      const before = connection.localAddress.port;
      assert.equal(await portOfRemote(ask), before);
      const [after, intact] = await Promise.all([
        connection.rebind(),
        exchange(connection, 1, randomBytes(transferBytes)),
      ]);
      assert.equal(intact, 1);
      assert.notEqual(after.port, before);
      assert.deepEqual(await ask("exchange", { streams: 1, bytes: transferBytes }), { intact: 1 });
      await until("the peer knows the new address", async () => (await portOfRemote(ask)) === after.port);
    });

    test("its client's bytes go on, and our server is told both addresses", async (t) => {
      const { connection, ask, ours, peer } = await linker().link(t, "server");
      assert.equal(await exchange(connection, 1, randomBytes(1)), 1);
      const before = connection.remoteAddress;
      const [{ address }, exchanged] = await Promise.all([
        peer.do("rebind"),
        ask("exchange", { streams: 1, bytes: transferBytes }),
      ]);
      assert.deepEqual(exchanged, { intact: 1 });
      assert.deepEqual(await ask("exchange", { streams: 1, bytes: 1 }), { intact: 1 }); // from there, if not yet
      const { remote, local } = await ours.moves.take();
      assert.deepEqual(remote.before, before);
      assert.equal(remote.after.port, portOf(address));
      assert.deepEqual(connection.remoteAddress, remote.after);
      assert.deepEqual(connection.localAddress, local);
      assert.equal(await exchange(connection, 1, randomBytes(transferBytes)), 1);
    });
  });
}

async function portOfRemote(ask: (op: string) => Promise<Record<string, unknown>>): Promise<number> {
  return portOf((await ask("remote")).remote);
}

function portOf(address: unknown): number {
  return Number(/:(\d+)$/.exec(String(address))?.[1]);
}
