import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CloseCode, ConnectionLostError, FrameTooLargeError, ProtocolViolationError } from "millrace";
import { encodeFrame, Kind } from "#internal/frame/frame.js";
import type { Control } from "#internal/transport/control.js";
import { seededRandom } from "../../kit/random.js";
import { until } from "../../kit/until.js";
import { identity } from "../../transport/suite/kit.js";
import { EdgeTransport, edgeNumber, ownerNumber, relayKind, relayPair } from "./relay_kit.js";

const KiB = 1024;

/** A transport that has all that a transport may have. */
class RichTransport extends EdgeTransport {
  override readonly transport = "rich";
  override readonly protocol = "millrace.json";
  override readonly origin = "https://example.com";
  override readonly path = `/room?name=${"x".repeat(20_000)}`;
  override readonly peerCertificate = new X509Certificate(identity.certificate as string);
  override readonly carriesFrames: boolean = false;
  readonly datagrams: Buffer[] = [];

  control(control: Control): void {
    this.controls.push(control);
  }

  sendText(text: Uint8Array) {
    return this.take(Buffer.from(text), 0, "text");
  }

  sendDatagram(head: Uint8Array, payload = new Uint8Array(0)): "sent" {
    this.datagrams.push(Buffer.concat([head, payload]));
    return "sent";
  }
}

describe("a relayed connection", () => {
  test("is to the session's owner as it is at the edge, and says hello first", () => {
    const pair = relayPair();
    const transport = new RichTransport();
    transport.roundTripMs = 12.5;
    transport.maxDatagramBytes = 1_200;
    const connection = pair.begin(transport);
    for (const name of [
      "transport",
      "protocol",
      "origin",
      "path",
      "roundTripMs",
      "maxDatagramBytes",
    ] as const) {
      assert.equal(connection[name], transport[name]);
    }
    assert.deepEqual(connection.remoteAddress, transport.remoteAddress);
    assert.deepEqual(connection.localAddress, transport.localAddress);
    assert.equal(connection.peerCertificate?.fingerprint256, transport.peerCertificate.fingerprint256);
    assert.equal(connection.carriesFrames, false);
    assert.equal(connection.framesVerified, false, "other threads can write where frames have been");
    assert.equal(connection.state, "open");
    assert.deepEqual(
      pair.behaviour.frames.map(({ bytes }) => bytes.toString()),
      ["hello"],
    );
    assert.equal(pair.accepted.count, 1);
    assert.ok(connection.control !== undefined && connection.sendText !== undefined);
  });

  test("has nothing that the client's transport has not", () => {
    const connection = relayPair().begin(new EdgeTransport());
    assert.equal(connection.control, undefined);
    assert.equal(connection.sendText, undefined);
    assert.equal(connection.sendDatagram, undefined);
    assert.equal(connection.peerCertificate, undefined);
    assert.equal(connection.origin, undefined);
    assert.equal(connection.carriesFrames, true);
  });

  test("carries units of any length both ways, whole and in order, beside others", () => {
    const pair = relayPair();
    const lengths = [0, 1, 8_191, 8_192, 8_193, 70_000, 5, 300_000];
    const ends = [new EdgeTransport(1e9), new EdgeTransport(1e9)].map((transport, index) => {
      const connection = pair.begin(transport, `hello ${index}`);
      return { transport, connection };
    });
    for (const [at, length] of lengths.entries()) {
      for (const [index, { transport, connection }] of ends.entries()) {
        transport.relay!.frame(Buffer.alloc(length, 16 * index + at));
        transport.flush();
        connection.send(
          Buffer.alloc(length / 2, 32 + at),
          Buffer.alloc(length - Math.floor(length / 2), 32 + at),
          at,
        );
      }
    }
    for (const { transport } of ends) {
      // What the owner sends is held to its mark: the network takes it, and it goes on.
      transport.flush();
    }
    pair.hub.settle();
    for (const [index, { transport, connection }] of ends.entries()) {
      const got = pair.behaviour.frames.filter((frame) => frame.connection === connection).slice(1);
      assert.deepEqual(
        got.map(({ bytes }) => [bytes.length, bytes.every((byte, _, all) => byte === all[0])]),
        lengths.map((length) => [length, true]),
      );
      for (const [at, { bytes }] of got.entries()) {
        if (bytes.length > 0) assert.equal(bytes[0], 16 * index + at);
      }
      assert.deepEqual(
        transport.sent.map(({ bytes, lane }) => [bytes.length, lane]),
        lengths.slice(0, transport.sent.length).map((length, at) => [length, at]),
      );
    }
  });

  test("sends as text, as datagrams and as controls what is one", () => {
    const pair = relayPair();
    const transport = new RichTransport();
    transport.maxDatagramBytes = 100;
    const connection = pair.begin(transport);
    assert.equal(connection.sendText!(Buffer.from("text")), "sent");
    assert.equal(connection.sendDatagram!(Buffer.from("data"), Buffer.from("gram")), "sent");
    assert.throws(() => connection.sendDatagram!(Buffer.alloc(101)), FrameTooLargeError);
    connection.control!({ kind: "close", code: 300, text: "bye" });
    pair.hub.settle();
    assert.deepEqual(
      transport.sent.map(({ bytes, as }) => [bytes.toString(), as]),
      [["text", "text"]],
    );
    assert.equal(transport.datagrams.join(), "datagram");
    assert.deepEqual(transport.controls, [{ kind: "close", code: 300, text: "bye" }]);
  });

  test("is blocked by a client that does not read, and drains when it does: nothing is lost", () => {
    const highWaterMarkBytes = 64 * KiB;
    const pair = relayPair({ highWaterMarkBytes });
    const transport = new EdgeTransport(highWaterMarkBytes);
    const connection = pair.begin(transport);
    let accepted = 0;
    const fill = () => {
      for (;;) {
        const bytes = Buffer.alloc(1_000);
        bytes.writeUInt32LE(accepted);
        const result = connection.send(bytes);
        if (result === "dropped") return;
        accepted += 1;
        pair.hub.settle();
        if (result === "blocked") return;
      }
    };
    fill();
    assert.ok(connection.bytesQueued >= 2 * highWaterMarkBytes);
    assert.equal(connection.send(Buffer.alloc(1)), "dropped");
    assert.ok(transport.bytesQueued < highWaterMarkBytes + 1_000, "the rest waits in front of the transport");
    assert.equal(pair.behaviour.drains, 0);
    for (let round = 1; round <= 5; round += 1) {
      for (let i = 0; i < 8 && pair.behaviour.drains < round; i += 1) {
        transport.flush();
        pair.hub.settle();
        pair.edge.turn();
        pair.hub.settle();
      }
      assert.equal(pair.behaviour.drains, round);
      fill();
    }
    while (transport.bytesQueued > 0) {
      transport.flush();
      pair.hub.settle();
    }
    assert.deepEqual(
      transport.sent.map(({ bytes }) => bytes.readUInt32LE()),
      Array.from({ length: accepted }, (_, i) => i),
    );
  });

  test("drains though the client's transport was never full itself", () => {
    const pair = relayPair({ highWaterMarkBytes: 10_000 });
    const transport = new EdgeTransport(1e9); // it counts otherwise than the owner
    const connection = pair.begin(transport);
    while (connection.send(Buffer.alloc(1_000)) === "sent");
    pair.hub.settle();
    transport.flush(); // and says nothing
    pair.hub.settle();
    assert.equal(pair.behaviour.drains, 0);
    pair.edge.turn();
    pair.hub.settle();
    assert.equal(pair.behaviour.drains, 1);
  });

  test("holds nothing of the owner's at rest, though the edge counts in larger steps", () => {
    const pair = relayPair({ highWaterMarkBytes: 1_000, edgeMarkBytes: 100_000 });
    const { hub } = pair;
    const transport = new EdgeTransport(1e9);
    const connection = pair.begin(transport);
    while (connection.send(Buffer.alloc(100)) === "sent");
    pair.hub.settle();
    transport.flush();
    const { posts } = hub;
    for (let turn = 0; turn < 5; turn += 1) {
      pair.edge.turn();
      pair.hub.settle();
    }
    assert.deepEqual([connection.bytesQueued, pair.behaviour.drains], [0, 1]);
    assert.ok(hub.posts <= posts + 2, "that is told once");
  });

  test("does not read while it is paused, and then brings all that came", async () => {
    const pair = relayPair({ windowBytes: 10_000, highWaterMarkBytes: 10_000 });
    const transport = new EdgeTransport();
    const connection = pair.begin(transport);
    assert.equal(connection.pause(), true);
    transport.relay!.frame(Buffer.from("on its way"));
    pair.hub.settle();
    for (let i = 0; i < 11; i += 1) transport.relay!.frame(Buffer.alloc(1_000, i));
    pair.hub.settle();
    assert.equal(transport.isPaused, true, "the client is held back");
    assert.equal(pair.behaviour.frames.length, 1);
    connection.send(Buffer.from("still goes"));
    pair.hub.settle();
    assert.equal(transport.sent.length, 1);
    connection.resume();
    await nextTurn();
    pair.hub.settle();
    assert.equal(transport.isPaused, false);
    assert.equal(pair.behaviour.frames.length, 13);
    assert.deepEqual(
      pair.behaviour.frames.slice(2).map(({ bytes }) => bytes[0]),
      Array.from({ length: 11 }, (_, i) => i),
    );
  });

  test("tells an end behind what came before it, also while it is paused", async () => {
    const pair = relayPair();
    const transport = new EdgeTransport();
    const connection = pair.begin(transport);
    connection.pause();
    transport.relay!.frame(Buffer.from("last words"));
    transport.end({ by: "peer", code: 300, reason: "bye" });
    pair.hub.settle();
    assert.equal(pair.behaviour.ends.length, 0);
    connection.resume();
    pair.hub.settle();
    await nextTurn();
    assert.equal(pair.behaviour.frames.at(-1)!.bytes.toString(), "last words");
    assert.deepEqual(pair.behaviour.ends[0]!.info, { by: "peer", code: 300, reason: "bye" });
    assert.equal(pair.edge.edgeCount + pair.owner.ownedCount, 0);
  });

  test("says why the client's connection ended", () => {
    const pair = relayPair();
    const ends = [
      {
        by: "peer",
        code: CloseCode.protocolViolation,
        reason: "no",
        error: new ProtocolViolationError("no"),
      },
      { by: "transport", code: 0, reason: "", error: new ConnectionLostError("cut") },
    ] as const;
    for (const info of ends) {
      const transport = new EdgeTransport();
      pair.begin(transport);
      transport.end(info);
      pair.hub.settle();
      const told = pair.behaviour.ends.at(-1)!.info;
      assert.deepEqual([told.by, told.code, told.reason], [info.by, info.code, info.reason]);
      assert.ok(told.error instanceof info.error.constructor);
    }
  });

  test("is closed by its owner as it wants, behind what it sent", async () => {
    const pair = relayPair();
    const transport = new EdgeTransport();
    const connection = pair.begin(transport);
    connection.send(Buffer.from("first"));
    connection.close({ code: 301, reason: "done", deadlineMs: 4_000 });
    assert.equal(connection.state, "closing");
    assert.throws(() => connection.send(Buffer.from("late")), /closing/);
    pair.hub.settle();
    assert.equal(transport.sent.length, 1);
    assert.deepEqual(transport.closes, [{ code: 301, reason: "done", graceful: true, deadlineMs: 4_000 }]);
    transport.relay!.frame(Buffer.from("for nobody"));
    transport.end({ by: "local", code: 301, reason: "done" });
    pair.hub.settle();
    assert.deepEqual(pair.behaviour.ends, [{ connection, info: { by: "local", code: 301, reason: "done" } }]);
    assert.equal(pair.behaviour.frames.length, 1);
  });

  test("is closed at once where that is wanted, whatever the edge does", async () => {
    const pair = relayPair();
    const transport = new EdgeTransport(10);
    const connection = pair.begin(transport);
    for (let i = 0; i < 5; i += 1) connection.send(Buffer.alloc(10));
    pair.hub.settle();
    connection.close({ code: CloseCode.superseded, graceful: false });
    assert.equal(pair.behaviour.ends.length, 0, "not from inside the call");
    await nextTurn();
    assert.deepEqual(pair.behaviour.ends[0]!.info, { by: "local", code: CloseCode.superseded, reason: "" });
    pair.hub.settle();
    assert.equal(transport.sent.length, 1);
    assert.equal(transport.closes[0]!.graceful, false);
    transport.end({ by: "local", code: CloseCode.superseded, reason: "" });
    pair.hub.settle();
    assert.equal(pair.edge.edgeCount + pair.owner.ownedCount, 0);
  });

  test("gives up a gentle end at its deadline, at both ends", async () => {
    const pair = relayPair();
    const transport = new EdgeTransport(10);
    const connection = pair.begin(transport);
    for (let i = 0; i < 5; i += 1) connection.send(Buffer.alloc(10));
    connection.close({ deadlineMs: 30 });
    pair.hub.settle();
    assert.equal(transport.closes.length, 0, "the transport has not taken all yet");
    await until("the edge gives up", () => transport.closes.length > 0);
    assert.equal(transport.closes[0]!.graceful, false);
    await until("so does the owner", () => pair.behaviour.ends.length === 1);
    assert.equal(pair.owner.ownedCount, 0);
  });

  test("sends what is held before a gentle end", () => {
    const pair = relayPair();
    const transport = new EdgeTransport(10);
    const connection = pair.begin(transport);
    for (let i = 0; i < 5; i += 1) connection.send(Buffer.alloc(10, i));
    connection.close({ deadlineMs: 60_000 });
    pair.hub.settle();
    for (let i = 0; i < 5; i += 1) {
      assert.equal(transport.closes.length, i === 4 ? 1 : 0);
      transport.flush();
    }
    assert.equal(transport.sent.length, 5);
    transport.end({ by: "local", code: 0, reason: "" });
    pair.hub.settle();
    assert.equal(pair.behaviour.ends.length, 1);
  });
});

describe("the way between threads", () => {
  test("holds the client back while it is full, and lets it go on", () => {
    const pair = relayPair({ inboxBytes: 65_536, windowBytes: 30_000, highWaterMarkBytes: 30_000 });
    const transport = new EdgeTransport();
    pair.begin(transport);
    let sent = 0;
    while (!transport.isPaused) {
      transport.relay!.frame(Buffer.alloc(1_000, sent % 256));
      sent += 1;
      assert.ok(sent < 200, "it is held back at last");
    }
    pair.hub.settle();
    assert.equal(transport.isPaused, false);
    assert.deepEqual(
      pair.behaviour.frames.slice(1).map(({ bytes }) => bytes[0]),
      Array.from({ length: sent }, (_, i) => i % 256),
    );
  });

  test("closes a client that cannot be held back when it has sent too much", () => {
    const pair = relayPair({ windowBytes: 10_000, highWaterMarkBytes: 10_000 });
    const transport = new EdgeTransport();
    transport.isPausable = false;
    pair.begin(transport);
    let sent = 0;
    while (transport.state === "open") {
      transport.relay!.frame(Buffer.alloc(1_000));
      sent += 1;
      assert.ok(sent < 200);
    }
    assert.equal(transport.closes[0]!.code, CloseCode.exhausted);
  });

  test("is shared by turns: one that has much to send does not keep another waiting for all of it", () => {
    const pair = relayPair();
    const [greedy, modest] = [new EdgeTransport(), new EdgeTransport()];
    const [greedyOwned, modestOwned] = [pair.begin(greedy), pair.begin(modest)];
    for (let i = 0; i < 200; i += 1) greedy.relay!.frame(Buffer.alloc(1_000));
    modest.relay!.frame(Buffer.from("short"));
    pair.hub.deliver(edgeNumber, ownerNumber);
    pair.hub.deliver(edgeNumber, ownerNumber);
    const brought = pair.behaviour.frames.map(({ connection }) => connection);
    assert.ok(brought.indexOf(modestOwned) >= 0);
    assert.equal(brought.filter((connection) => connection === modestOwned).length, 2);
    assert.ok(brought.filter((connection) => connection === greedyOwned).length < 150);
  });

  test("carries any traffic of many relays at once, both ways, as it was sent", async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed * 7_919);
      const highWaterMarkBytes = 20_000;
      const pair = relayPair({ highWaterMarkBytes, windowBytes: 20_000 });
      const ends = Array.from({ length: 5 }, () => {
        const transport = new EdgeTransport(highWaterMarkBytes);
        const connection = pair.begin(transport);
        return { transport, connection, toOwner: [0, 0], toEdge: [0, 0] };
      });
      const unit = (at: number) => {
        const bytes = Buffer.alloc(random(20) === 0 ? 4 + random(60_000) : 4 + random(500));
        bytes.writeUInt32LE(at);
        return bytes;
      };
      for (let step = 0; step < 2_000; step += 1) {
        const end = ends[random(ends.length)]!;
        const { transport, connection } = end;
        const choice = random(12);
        if (choice < 4) {
          if (!transport.isPaused) transport.relay!.frame(unit(end.toOwner[0]!++));
        } else if (choice < 8) {
          if (connection.send(unit(end.toEdge[0]!)) !== "dropped") end.toEdge[0]! += 1;
        } else if (choice === 8) pair.hub.deliver(edgeNumber, ownerNumber, 1 + random(5));
        else if (choice === 9) pair.hub.deliver(ownerNumber, edgeNumber, 1 + random(5));
        else if (choice === 10) transport.flush();
        else if (random(4) === 0) connection.pause();
        else connection.resume();
        if (step % 50 === 0) await nextTurn();
      }
      for (const { connection } of ends) connection.resume();
      for (let i = 0; i < 200; i += 1) {
        pair.hub.settle();
        for (const { transport } of ends) transport.flush();
        pair.edge.turn();
        if (i < 5) await nextTurn();
      }
      for (const { transport, connection, toOwner, toEdge } of ends) {
        const got = pair.behaviour.frames.filter((frame) => frame.connection === connection).slice(1);
        const expected = (count: number) => Array.from({ length: count }, (_, i) => i);
        assert.deepEqual(
          got.map(({ bytes }) => bytes.readUInt32LE()),
          expected(toOwner[0]!),
          `seed ${seed}`,
        );
        assert.deepEqual(
          transport.sent.map(({ bytes }) => bytes.readUInt32LE()),
          expected(toEdge[0]!),
          `seed ${seed}`,
        );
        assert.equal(connection.bytesQueued < highWaterMarkBytes, true);
        assert.equal(transport.isPaused, false);
      }
    }
  });
});

describe("the end of a thread", () => {
  test("that owns the session ends the client's connection, so that it comes again", () => {
    const pair = relayPair();
    const transport = new EdgeTransport();
    pair.begin(transport);
    pair.hub.leave(ownerNumber);
    assert.equal(transport.closes[0]!.code, CloseCode.goingAway);
    transport.end({ by: "local", code: CloseCode.goingAway, reason: "" });
    assert.equal(pair.edge.edgeCount, 0);
  });

  test("at the edge is the end of the connection to the owner", () => {
    const pair = relayPair();
    const connection = pair.begin(new EdgeTransport());
    pair.hub.leave(edgeNumber);
    const [end] = pair.behaviour.ends;
    assert.equal(end!.connection, connection);
    assert.equal(end!.info.by, "transport");
    assert.ok(end!.info.error instanceof ConnectionLostError);
    assert.equal(pair.owner.ownedCount, 0);
  });

  test("is learnt from its successor, too, which knows nothing of it", () => {
    const pair = relayPair();
    const transport = new EdgeTransport();
    const connection = pair.begin(transport);
    pair.owner.forgetRelayed(connection); // as one that began anew
    transport.relay!.frame(Buffer.from("are you there"));
    pair.hub.settle();
    assert.equal(transport.closes[0]!.code, CloseCode.goingAway);
    const silent = new EdgeTransport();
    const lost = pair.begin(silent);
    pair.edge.forget(silent.relay!);
    pair.owner.turn(); // asks now and then
    pair.hub.settle();
    assert.equal(pair.behaviour.ends.at(-1)!.connection, lost);
  });
});

describe("a thread that writes where it should not", () => {
  test("ends the relay whose commands it spoils, and none other, nor the process", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = seededRandom(seed * 104_729);
      const pair = relayPair();
      const [victim, bystander] = [new EdgeTransport(1e9), new EdgeTransport(1e9)];
      const [victimOwned, bystanderOwned] = [pair.begin(victim), pair.begin(bystander)];
      let spoils = 1;
      pair.hub.damage = (bytes) => {
        if (spoils === 0 || random(4) !== 0) return bytes;
        spoils -= 1;
        if (random(5) === 0) return undefined;
        bytes[random(Math.min(bytes.length, 48))]! ^= 1 << random(8);
        return bytes;
      };
      for (let i = 0; i < 10; i += 1) {
        victim.relay!.frame(Buffer.from(`to owner ${i}`));
        if (victimOwned.state === "open") victimOwned.send(Buffer.from(`to edge ${i}`));
        pair.hub.settle();
      }
      pair.hub.damage = (bytes) => bytes;
      bystander.relay!.frame(Buffer.from("whole"));
      bystanderOwned.send(Buffer.from("whole"));
      pair.hub.settle();
      const brought = pair.behaviour.frames.filter((frame) => frame.connection === bystanderOwned);
      assert.deepEqual(
        brought.map(({ bytes }) => bytes.toString()),
        ["hello", "whole"],
        `seed ${seed}`,
      );
      assert.deepEqual(
        bystander.sent.map(({ bytes }) => bytes.toString()),
        ["whole"],
      );
      // Of the spoilt one only what was in order has come.
      const got = pair.behaviour.frames.filter((frame) => frame.connection === victimOwned).slice(1);
      assert.deepEqual(
        got.map(({ bytes }) => bytes.toString()),
        got.map((_, i) => `to owner ${i}`),
        `seed ${seed}`,
      );
    }
  });

  test("cannot make another take memory for what never comes", () => {
    const pair = relayPair({ maxUnitBytes: 100_000 });
    const transport = new EdgeTransport();
    pair.begin(transport);
    pair.hub.damage = (bytes) => {
      Buffer.from(bytes.buffer).writeUInt32LE(0x7fff_ffff, 36); // how long the unit is to be
      return bytes;
    };
    transport.relay!.frame(Buffer.alloc(10));
    pair.hub.damage = (bytes) => bytes;
    pair.hub.settle();
    assert.equal(pair.owner.damagedCount, 1);
    assert.equal(pair.behaviour.ends.length, 1);
    assert.equal(transport.closes.length, 1);
  });

  test("is not taken for another one's edge", () => {
    const pair = relayPair();
    const transport = new EdgeTransport();
    const connection = pair.begin(transport);
    pair.hub.join(3);
    const { id } = connection.pipe;
    const header = { kind: Kind.Message, flags: 1, channel: 2 << 8, type: id, seq: 3, ref: 3 };
    pair.hub.post(3, ownerNumber, relayKind, encodeFrame(header, Buffer.from("lie")));
    pair.hub.post(3, edgeNumber, relayKind, encodeFrame({ ...header, flags: 0, seq: 1 }, Buffer.from("lie")));
    pair.hub.post(3, ownerNumber, relayKind, Buffer.from("no command at all"));
    pair.hub.settle();
    assert.equal(pair.behaviour.frames.length, 1);
    assert.equal(transport.sent.length, 0);
    assert.equal(connection.state, "open");
    assert.equal(pair.owner.damagedCount, 1);
  });
});
