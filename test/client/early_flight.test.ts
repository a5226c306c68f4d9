import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EarlyFlight } from "#internal/client/early_flight.js";
import { failureAnswer } from "#internal/delivery/answer.js";
import { contentsOf } from "#internal/delivery/contents.js";
import { FailureCode } from "#internal/delivery/failure.js";
import type { Outcome } from "#internal/delivery/outbound.js";
import { Kind } from "#internal/frame/frame.js";
import { roomy, said, text, Wire, words } from "../delivery/half.js";
import { PlainSession } from "../delivery/plain_session.js";

/** A session without a connection. */
function offline(limits = roomy): PlainSession {
  const session = new PlainSession(new Wire(), limits);
  session.lose();
  return session;
}

function say(session: PlainSession, words: string, more: object = {}): string {
  const message = { kind: Kind.Message, type: 1, subject: "seen", payload: text(words), idempotent: true };
  return session.outbound.send({ ...message, ...more });
}

const aboard = ({ frames }: EarlyFlight) => frames.map((frame) => said(frame).text);
const nonceOf = (frame: Uint8Array) => Buffer.from(frame).toString("latin1");

/** What a server answers to what has a place, from 1 on. */
const taken = (ref: number) => contentsOf(Kind.Response, { ref });
const refused = (ref: number) => {
  const { kind, ...says } = failureAnswer(0, FailureCode.tooEarly, "no");
  return contentsOf(kind, { ...says, meta: says.meta ?? [], ref });
};

/** What goes out when there is a connection again. */
function landed(session: PlainSession): string[] {
  const wire = new Wire();
  session.attach(wire);
  return words(wire);
}

describe("what goes early", () => {
  it("is as much as a hello takes, from the beginning of the queue", () => {
    const many = offline();
    for (let at = 0; at < 20; at += 1) say(many, `${at}`);
    assert.deepEqual(
      aboard(new EarlyFlight(many)),
      Array.from({ length: 16 }, (_, at) => `${at}`),
    );
    const large = offline();
    for (let at = 0; at < 3; at += 1) say(large, "x".repeat(3_000));
    assert.equal(new EarlyFlight(large).frames.length, 2);
    const behind = offline();
    say(behind, "first", { idempotent: false });
    say(behind, "second");
    assert.deepEqual(aboard(new EarlyFlight(behind)), []);
  });

  it("is nothing that has expired, nor does that keep back what is behind it", () => {
    const session = offline();
    say(session, "old", { expiresAt: performance.now() });
    say(session, "new", { expiresAt: performance.now() + 60_000 });
    assert.deepEqual(aboard(new EarlyFlight(session)), ["new"]);
  });

  it("is known again, however often it goes", () => {
    const session = offline();
    say(session, "one");
    say(session, "one");
    const [first, second] = [new EarlyFlight(session), new EarlyFlight(session)];
    assert.deepEqual(first.frames.map(nonceOf), second.frames.map(nonceOf));
    assert.notEqual(nonceOf(first.frames[0]!), nonceOf(first.frames[1]!));
  });

  it("stays in its place where the server does not take it", () => {
    const session = offline();
    say(session, "one");
    say(session, "two");
    say(session, "three", { idempotent: false });
    const flight = new EarlyFlight(session);
    flight.take(refused(1));
    flight.take(refused(2));
    flight.board(true);
    assert.deepEqual(landed(session), ["one", "two", "three"]);
  });

  it("is put back before what waits, whatever room there is, where it was not answered", () => {
    const session = offline({ ...roomy, queueBytes: 900 });
    assert.equal(say(session, "one"), "sent");
    assert.equal(say(session, "two", { expiresAt: performance.now() + 60_000 }), "sent");
    const flight = new EarlyFlight(session);
    flight.board(true);
    assert.equal(session.outbound.bytesQueued, 0);
    while (say(session, "behind") !== "dropped");
    flight.land();
    const pending = [...session.outbound.rarities!.pending];
    assert.equal(pending[1]!.expiresAt, Number.POSITIVE_INFINITY, "it has left in time");
    assert.deepEqual(landed(session).slice(0, 3), ["one", "two", "behind"]);
  });

  it("goes out at once where the server says late that it has not taken it", () => {
    const session = offline();
    say(session, "one");
    const flight = new EarlyFlight(session);
    flight.board(true);
    assert.deepEqual(landed(session), []);
    const wire = new Wire();
    session.attach(wire);
    flight.take(refused(1));
    assert.deepEqual(words(wire), ["one"]);
    flight.land();
    assert.deepEqual(landed(session), ["one"], "it is the session's: not acknowledged");
  });

  it("keeps what stands behind it until it is answered, and goes back in its order", () => {
    const session = offline();
    for (const one of ["one", "two", "three"]) say(session, one);
    const flight = new EarlyFlight(session);
    flight.board(true);
    const wire = new Wire();
    session.attach(wire);
    assert.equal(say(session, "four", { idempotent: false }), "sent");
    flight.take(refused(2));
    flight.take(refused(1));
    assert.deepEqual([words(wire), flight.isAnswered], [[], false]);
    flight.take(taken(3));
    assert.deepEqual(words(wire), ["one", "two", "four"]);
    assert.deepEqual([flight.isAnswered, session.outbound.bytesQueued], [true, 0]);
    assert.equal(say(session, "five"), "sent");
    assert.deepEqual(words(wire).at(-1), "five");
  });

  it("keeps nothing behind what was lost, or where the session is to end", () => {
    for (const [done, first] of [
      ["land", "one"],
      ["letGo", "two"],
    ] as const) {
      const session = offline();
      say(session, "one");
      const flight = new EarlyFlight(session);
      flight.board(true);
      say(session, "two");
      flight[done]();
      assert.equal(landed(session)[0], first);
    }
  });

  it("says nothing more where the session is over: who was blocked hears of no room", () => {
    const session = offline({ ...roomy, highWaterMarkBytes: 1 });
    assert.equal(say(session, "one"), "blocked");
    const flight = new EarlyFlight(session);
    flight.board(true);
    session.outbound.end();
    flight.take(taken(1));
    flight.letGo();
    assert.equal(session.outbound.isBlocked, true);
  });

  it("is answered once, on whichever of two connections", () => {
    const session = offline();
    let sent = 0;
    say(session, "one", { watch: { placed() {}, sent: () => (sent += 1) } });
    const flights = [new EarlyFlight(session), new EarlyFlight(session)] as const;
    flights[0].take(taken(1));
    flights[1].board(true);
    flights[1].take(taken(1));
    flights[1].land();
    assert.equal(sent, 1);
    assert.deepEqual(landed(session), []);
  });

  for (const [what, isRefused, outcome] of [
    ["may have come: nobody is told that it was never sent", false, "lost"],
    ["was never sent where the server has said so, and its deadline comes", true, "expired"],
  ] as const) {
    it(what, () => {
      const session = offline();
      const outcomes: Outcome[] = [];
      const expiresAt = performance.now() + 60_000;
      say(session, "one", { expiresAt, settled: (outcome: Outcome) => outcomes.push(outcome) });
      const flight = new EarlyFlight(session);
      if (isRefused) flight.take(refused(1));
      session.pump(expiresAt);
      assert.deepEqual(outcomes, [outcome]);
    });
  }
});
