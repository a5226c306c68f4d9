import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import * as quic from "millrace/quic";
import { deferred } from "../kit/deferred.js";
import { until } from "../kit/until.js";
import { alpn, type Linker } from "./link.js";
import { ask, exchange, Ours } from "./ours.js";
import type { Peer } from "./peer.js";

const tooEarly = 8;

/** Sessions that are resumed, and what is sent with the first packets of such (RFC 9001 section 4.6). */
export function describeResumption(name: string, linker: () => Linker): void {
  describe(`as a client of ${name}, millrace`, () => {
    test("resumes the session of the connection before", async (t) => {
      const peer = await linker().peerServer(t, ["--alpn", alpn, "--resumption"]);
      const store = new quic.MemoryTicketStore();
      const first = await connectOnce(t, peer, { store });
      assert.equal(first.resumed, false);
      const second = await connectOnce(t, peer, { store });
      assert.equal(second.resumed, true);
    });

    test("has early data taken", async (t) => {
      const peer = await linker().peerServer(t, ["--alpn", alpn, "--early-data"]);
      const resumption = { store: new quic.MemoryTicketStore(), earlyData: true };
      await connectOnce(t, peer, resumption);
      const { connection, answer } = await askEarly(t, peer, resumption);
      assert.equal(connection.earlyDataAccepted, true);
      assert.equal(answer, "early");
    });

    test("sends again what a server that has forgotten its tickets refused", async (t) => {
      const before = await linker().peerServer(t, ["--alpn", alpn, "--early-data"]);
      const resumption = { store: new quic.MemoryTicketStore(), earlyData: true };
      await connectOnce(t, before, resumption);
      await before.end();
      const bind = ["--bind", `127.0.0.1:${before.port}`];
      const peer = await linker().peerServer(t, ["--alpn", alpn, "--early-data", ...bind]);
      const { connection, answer } = await askEarly(t, peer, resumption);
      assert.equal(connection.earlyDataAccepted, false);
      assert.equal((await peer.event("stream")).early, false);
      assert.equal(answer, "early");
    });
  });

  describe(`as a server of ${name}, millrace`, () => {
    test("lets a client resume its session", async (t) => {
      const ours = new Ours();
      const listener = await linker().listen(t, ours, { resumption: {} });
      const peer = await linker().peerClient(t, listener.address.port);
      await peer.do("connect", { early: "first" });
      assert.equal((await ours.opened.take()).resumed, false);
      await peer.event("ticket");
      await peer.do("connect");
      assert.equal((await ours.opened.take()).resumed, true);
    });

    for (const decision of ["accept", "hold"] as const) {
      test(`answers early data that its application says to ${decision}`, async (t) => {
        const early = deferred<quic.QuicStream>();
        const ours = new Ours({
          earlyData: (stream) => {
            early.resolve(stream);
            return decision;
          },
        });
        const peer = await peerWithTicket(t, ours);
        assert.deepEqual(await outcomeOf(peer, "good morning"), {
          early: "accepted",
          answer: "good morning",
        });
        assert.equal((await early.promise).early, true);
      });
    }

    test("resets the streams of early data that its application refuses, and nothing else", async (t) => {
      const ours = new Ours({ earlyData: () => "refuse" });
      const peer = await peerWithTicket(t, ours);
      await assert.rejects(peer.do("connect", { early: "go away" }), {
        failure: { kind: "reset", code: tooEarly, reason: "" },
      });
      const connection = await ours.opened.take();
      assert.equal(await exchange(connection, 1, randomBytes(1_000)), 1);
    });
  });

  /** A connection with one exchange, closed once the server's ticket is there. */
  async function connectOnce(
    t: TestContext,
    peer: Peer,
    resumption: quic.ClientResumptionOptions & { readonly store: quic.MemoryTicketStore },
  ): Promise<quic.QuicConnection> {
    const connection = await linker().connect(t, peer.port, new Ours(), { resumption });
    assert.equal(await exchange(connection, 1, randomBytes(1_000)), 1);
    await peer.event("stream");
    await until("the server's ticket is there", () => resumption.store.size > 0);
    await connection.close();
    return connection;
  }

  /** Asks with the first packet. */
  async function askEarly(t: TestContext, peer: Peer, resumption: quic.ClientResumptionOptions) {
    const connection = await linker().connect(t, peer.port, new Ours(), { resumption });
    const answer = await ask(connection, "early", { idempotent: true });
    await connection.opened;
    return { connection, answer };
  }

  /** A client of the peer's that has a ticket of a listener of ours that takes early data. */
  async function peerWithTicket(t: TestContext, ours: Ours): Promise<Peer> {
    const listener = await linker().listen(t, ours, { resumption: { earlyData: true } });
    const peer = await linker().peerClient(t, listener.address.port);
    await peer.do("connect");
    await ours.opened.take();
    await peer.event("ticket");
    return peer;
  }
}

async function outcomeOf(peer: Peer, text: string) {
  const { early, answer } = await peer.do("connect", { early: text });
  return { early, answer };
}
