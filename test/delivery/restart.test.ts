import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { FailureCode } from "millrace/server";
import { Kind } from "#internal/frame/frame.js";
import { Wire } from "./half.js";
import { PlainSession } from "./plain_session.js";

/** What the peer of a new session hears. */
function heard(session: PlainSession): readonly (readonly [number, string])[] {
  const wire = new Wire();
  session.attach(wire, 100_000);
  return wire.takeAll().map(({ kind, subject, text }) => [kind, subject ?? text]);
}

describe("a session that the peer has lost", () => {
  it("asks the new one what had not gone out, and no more: that alone is reported lost", async () => {
    const wire = new Wire();
    const session = new PlainSession(wire);
    session.asks("sent");
    session.lose();
    session.asks("waits");
    session.restart();
    await setImmediate();
    assert.deepEqual(session.answers, [{ status: "failure", code: FailureCode.lost, reason: "lost" }]);
    assert.deepEqual(heard(session), [[Kind.Request, "waits"]]);
    const answer = { kind: Kind.Response, flags: 0, channel: 0, type: 2, ref: 1 };
    session.take({ ...answer, seq: 1, payload: Buffer.from("yes") });
    await setImmediate();
    assert.equal(session.answers[1]?.status, "success");
  });

  it("asks the new one what the connection had not taken", async () => {
    const wire = new Wire(10);
    const session = new PlainSession(wire);
    session.sendPlain(0, new Uint8Array(100)); // above the mark now
    session.asks("waits");
    session.restart();
    await setImmediate();
    assert.deepEqual(session.answers, []);
    assert.deepEqual(heard(session), [[Kind.Request, "waits"]]);
  });

  it("tells who waits for an acknowledgement that it is lost, unless the message goes to the new one", async () => {
    const session = new PlainSession(new Wire());
    session.sendsAcked("sent", "received");
    session.sendsAcked("handled", "delivered");
    session.outbound.acknowledge(0, 2);
    session.sendsAcked("on its way", "delivered");
    session.lose();
    session.sendsAcked("waits", "delivered");
    session.restart();
    await setImmediate();
    const lost = { status: "lost" };
    assert.deepEqual(session.outcomes, [{ status: "acknowledged", level: "received" }, lost, lost]);
    assert.deepEqual(heard(session), [[Kind.Message, "waits"]]);
  });

  it("keeps an acknowledged message that the connection was offered and has not taken", async () => {
    const wire = new Wire(1);
    const session = new PlainSession(wire);
    wire.bytesQueued = 1; // it takes no more, and has not said so yet
    session.sendsAcked("waits", "received");
    assert.equal(wire.dropped, 1);
    session.lose();
    session.restart();
    await setImmediate();
    assert.deepEqual(session.outcomes, []);
    assert.deepEqual(heard(session), [[Kind.Message, "waits"]]);
    session.outbound.acknowledge(0, 1);
    await setImmediate();
    assert.deepEqual(session.outcomes, [{ status: "acknowledged", level: "received" }]);
  });

  it("tells the new one nothing that is about the old one's messages and requests", () => {
    const session = new PlainSession(new Wire());
    session.lose();
    session.respond(7, Buffer.from("answer"));
    session.confirmMessage({ lane: 0, sequence: 3, meta: [{ key: "ack", value: Buffer.of(2, 0, 0, 0) }] }, 2);
    session.sendPlain(0, Buffer.from("message"));
    session.restart();
    assert.deepEqual(heard(session), [[Kind.Message, "message"]]);
  });
});
