import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";
import * as quic from "millrace/quic";
import { ProtocolMismatchError } from "#internal/errors.js";
import { temporaryFolder } from "../kit/folder.js";
import { until } from "../kit/until.js";
import { alpn, Linker, roles, type Stack } from "./link.js";
import { describeMigration } from "./migration.js";
import { describeMutualTls } from "./mutual_tls.js";
import { exchange, Ours, sha256 } from "./ours.js";
import { PeerFailure } from "./peer.js";
import { describeResumption } from "./resumption.js";

const KiB = 1024;
/** RFC 9001 section 4.8: 0x100 and the TLS alert no_application_protocol. */
const noApplicationProtocol = 0x178;
/** No code of ours, and more than 32 bits. */
const largeCode = 2 ** 40 + 7;

/** What must work between us and any stack, in both directions. */
export function describeInterop(stack: Stack): void {
  const folder = temporaryFolder();
  let linker: Linker;
  before(async () => {
    linker = await Linker.make(stack, folder);
  });

  for (const role of roles) {
    describe(`as a ${role} of ${stack.name}, millrace`, () => {
      for (const bytes of stack.echoBytes) {
        test(`has ${bytes} bytes of its own echoed`, async (t) => {
          const { connection, peer } = await linker.link(t, role);
          const payload = randomBytes(bytes);
          assert.equal(await exchange(connection, 1, payload), 1);
          const stream = await peer.event("stream");
          assert.deepEqual([stream.bytes, stream.sha256], [bytes, sha256(payload)]);
        });

        test(`echoes ${bytes} bytes of the peer's`, async (t) => {
          const { ask, ours } = await linker.link(t, role);
          assert.deepEqual(await ask("exchange", { streams: 1, bytes }), { intact: 1 });
          assert.equal((await ours.received.take()).bytes, bytes);
        });
      }

      test(`opens ${stack.streams} streams at once`, async (t) => {
        const { connection } = await linker.link(t, role);
        assert.equal(await exchange(connection, stack.streams, randomBytes(10_000)), stack.streams);
      });

      test(`serves ${stack.streams} streams at once`, async (t) => {
        const { streams } = stack;
        const { ask, ours } = await linker.link(t, role, { ours: { peerBidiStreams: streams } });
        assert.deepEqual(await ask("exchange", { streams, bytes: 10_000 }), { intact: streams });
        assert.equal(ours.peakPeerStreams, streams);
      });

      test("sends and takes unidirectional streams", async (t) => {
        const { connection, ask, ours, peer } = await linker.link(t, role);
        const payload = randomBytes(100_000);
        const stream = connection.openStream({ direction: "unidirectional" });
        stream.write(payload);
        stream.end();
        const { direction, sha256: hash } = await peer.event("stream");
        assert.deepEqual([direction, hash], ["unidirectional", sha256(payload)]);

        const sent = await ask("sendUni", { bytes: 100_000 });
        assert.deepEqual(await ours.received.take(), {
          direction: "unidirectional",
          bytes: 100_000,
          sha256: sent.sha256,
        });
      });

      test("sends and takes datagrams", async (t) => {
        const { connection, ask, ours, peer } = await linker.link(t, role);
        assert.equal(connection.sendDatagram(Buffer.from("from us")), "sent");
        assert.equal((await peer.event("datagram")).text, "from us");
        await ask("sendDatagram", { text: "from the peer" });
        assert.equal(await ours.datagrams.take(), "from the peer");
      });

      test("tells a stream's reset, and hears of one", async (t) => {
        const { connection, ask, ours, peer } = await linker.link(t, role);
        const stream = connection.openStream();
        stream.data = { data() {}, drain() {}, end() {} };
        stream.write(Buffer.from("never mind"));
        stream.reset(largeCode);
        const { failure } = await peer.event("streamFailed");
        assert.deepEqual([failure.kind, failure.code], ["reset", largeCode]);

        await ask("reset", { text: "never mind", code: largeCode + 1 });
        assert.equal(await ours.resets.take(), largeCode + 1);
      });

      test("stops the peer's sending, and is stopped", async (t) => {
        const { connection, ask, ours } = await linker.link(t, role);
        const stopped = assert.rejects(ask("sendUntilStopped"), (error) => {
          assert.ok(error instanceof PeerFailure);
          assert.deepEqual([error.failure.kind, error.failure.code], ["stopped", largeCode]);
          return true;
        });
        const stream = await ours.streams.take();
        stream.stopSending(largeCode);
        stream.end();
        await stopped;

        await ask("stopSending", { text: "no answer, please", code: largeCode + 1 });
        assert.equal(await ours.stops.take(), largeCode + 1);
        assert.equal(await exchange(connection, 1, randomBytes(KiB)), 1);
      });

      test("follows the peer to new keys, again and again", async (t) => {
        const { connection, ask } = await linker.link(t, role);
        for (const updates of [1, 2, 3]) {
          // A peer that has just changed its keys may not do so again at once (RFC 9001 section 6.5).
          await until(`the peer changes its keys for the ${updates}. time`, async () => {
            await ask("updateKeys");
            assert.deepEqual(await ask("exchange", { streams: 1, bytes: KiB }), { intact: 1 });
            return (await connection.statistics()).keyUpdates >= updates;
          });
        }
        assert.equal(await exchange(connection, 1, randomBytes(KiB)), 1);
      });

      test("leads the peer to new keys, again and again", async (t) => {
        const { connection, ask } = await linker.link(t, role);
        for (const updates of [1, 2, 3]) {
          await connection.updateKeys();
          assert.equal((await connection.statistics()).keyUpdates, updates);
          assert.equal(await exchange(connection, 1, randomBytes(KiB)), 1);
          assert.deepEqual(await ask("exchange", { streams: 1, bytes: KiB }), { intact: 1 });
        }
      });

      test("closes with a code and a reason that the peer hears", async (t) => {
        const { connection, peer } = await linker.link(t, role);
        await connection.close({ code: largeCode, reason: "that was all" });
        const { failure } = await peer.event("closed");
        assert.deepEqual(failure, { kind: "application", code: largeCode, reason: "that was all" });
      });

      test("hears the code and the reason with which the peer closes", async (t) => {
        const { connection, ask } = await linker.link(t, role);
        await ask("close", { code: largeCode, reason: "enough" });
        assert.deepEqual(await connection.closed, { by: "peer", code: largeCode, reason: "enough" });
      });
    });
  }

  describeResumption(stack.name, () => linker);
  describeMigration(stack.name, () => linker);
  describeMutualTls(stack, () => linker);

  describe(`between millrace and ${stack.name}`, () => {
    test("a server of the peer's without our protocol is a typed error", async (t) => {
      const peer = await linker.peerServer(t, ["--alpn", "something-else"]);
      await assert.rejects(linker.connect(t, peer.port, new Ours()), ProtocolMismatchError);
    });

    test("a client of the peer's without our protocol is told so", async (t) => {
      const listener = await linker.listen(t, new Ours());
      const peer = await linker.peerClient(t, listener.address.port, ["--alpn", "something-else"]);
      await assert.rejects(peer.do("connect"), (error) => {
        assert.ok(error instanceof PeerFailure);
        assert.deepEqual([error.failure.kind, error.failure.code], ["transport", noApplicationProtocol]);
        return true;
      });
    });

    test("the first protocol of the listener that both speak is taken", async (t) => {
      const ours = new Ours();
      const listener = await linker.listen(t, ours, { alpn: ["first", alpn, "last"] });
      const peer = await linker.peerClient(t, listener.address.port, ["--alpn", "last", "--alpn", alpn]);
      assert.equal((await peer.do("connect")).alpn, alpn);
      assert.equal((await ours.opened.take()).protocol, alpn);
    });

    test("a client of ours proves its address to a server that retries", async (t) => {
      const peer = await linker.peerServer(t, ["--alpn", alpn, "--retry"]);
      const connection = await linker.connect(t, peer.port, new Ours());
      assert.equal((await peer.event("accepted")).retried, true);
      assert.equal(await exchange(connection, 1, randomBytes(KiB)), 1);
    });

    test("a client of the peer's proves its address to a listener that retries", async (t) => {
      await quic.configureEngine({ retry: "always" });
      t.after(() => quic.configureEngine({ retry: "underLoad" }));
      const sent = quic.quicCounters().retriesSent;
      const { ask } = await linker.link(t, "server");
      assert.equal(quic.quicCounters().retriesSent, sent + 1);
      assert.deepEqual(await ask("exchange", { streams: 1, bytes: KiB }), { intact: 1 });
    });
  });
}
