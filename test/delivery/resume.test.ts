import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { chunkBytesInUse } from "#internal/delivery/chunk.js";
import type { Cursors } from "#internal/delivery/cursors.js";
import type { OutboundLimits } from "#internal/delivery/outbound.js";
import { Pair, type Sent, Side } from "./pair.js";

const plain = { noNullPrototype: true };
const side = fc.constantFrom(0 as const, 1 as const);
const small = fc.integer({ min: 1, max: 30 });

/** What may happen to a session, in any order. */
const steps = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record(
      {
        do: fc.constant("send" as const),
        side,
        delivery: fc.constantFrom("ordered", "ordered", "unordered", "latest", "unreliable"),
        priority: fc.constantFrom("control", "high", "normal", "normal", "bulk"),
        key: fc.constantFrom(undefined, "x", "y"),
        bytes: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 8_000 })),
        lifeMs: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      },
      plain,
    ),
  },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), side, count: small, lane: fc.nat() }, plain),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("handle" as const), side, count: small, at: fc.nat() }, plain),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("acks" as const), side, all: fc.boolean() }, plain) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pump" as const), side }, plain) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("tick" as const), ms: fc.integer({ min: 1, max: 60 }) }, plain),
  },
  { weight: 1, arbitrary: fc.constant({ do: "cut" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "hello" as const }) },
  {
    weight: 1,
    arbitrary: fc.record(
      { do: fc.constant("move" as const), mark: fc.integer({ min: 1, max: 5_000 }) },
      plain,
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record(
      { do: fc.constant("attach" as const), mark: fc.integer({ min: 1, max: 5_000 }) },
      plain,
    ),
  },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

const limits: fc.Arbitrary<OutboundLimits> = fc.record(
  {
    highWaterMarkBytes: fc.integer({ min: 1, max: 5_000 }),
    queueBytes: fc.integer({ min: 0, max: 40_000 }),
    replayBytes: fc.integer({ min: 0, max: 10_000 }),
    policy: fc.constantFrom("block", "drop-oldest", "drop-newest", "conflate", "close"),
  },
  plain,
);
const windows = fc.integer({ min: 0, max: 10_000 });
/** A new session, and one whose sequences are about to go beyond 32 bits. */
const begun: fc.Arbitrary<Cursors> = fc.constantFrom(
  new Map(),
  new Map([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15].map((lane) => [lane, 0xffff_fffd])),
);

function run(pair: Pair, step: Step, id: number): void {
  const side = "side" in step ? pair.sides[step.side] : pair.sides[0];
  if (step.do === "send") {
    side.send(id, step, step.bytes, step.lifeMs === undefined ? undefined : pair.nowMs + step.lifeMs);
  } else if (step.do === "deliver") {
    const choose = (lanes: readonly number[]) => lanes[step.lane % lanes.length]!;
    for (let i = 0; i < step.count && pair.deliver(step.side, choose); i++);
  } else if (step.do === "handle") {
    for (let i = 0; i < step.count; i++) side.handle(step.at % Math.max(1, side.toHandle.length));
  } else if (step.do === "acks") pair.acks(side, step.all);
  else if (step.do === "pump") pair.pump(side);
  else if (step.do === "tick") pair.tick(step.ms);
  else if (step.do === "cut") pair.cut();
  else if (step.do === "hello") pair.hello();
  else if (step.do === "move") pair.move(step.mark);
  else pair.attach(step.mark);
}

/** What was accepted and is of a class that arrives. */
function lasting({ sent }: Side): Sent[] {
  return sent.filter(({ delivery }) => delivery === "ordered" || delivery === "unordered");
}

function check(from: Side, to: Side): void {
  const applied = [...to.applied.values()].flat();
  assert.equal(new Set(applied).size, applied.length, "nothing is applied twice");
  const arrived = new Set(applied);
  for (const { id, outcome, mayGo } of lasting(from)) {
    assert.ok(mayGo || arrived.has(id), `message ${id} was not to be given up`);
    assert.notEqual(outcome, "waiting", `message ${id} is settled`);
    assert.notEqual(outcome, "lost");
    if (outcome !== "untold")
      assert.equal(arrived.has(id), outcome === "received", `message ${id}: ${outcome}`);
  }
  const accepted = new Set(from.sent.map(({ id }) => id));
  for (const id of applied) assert.ok(accepted.has(id), `message ${id} was accepted`);
  for (const lane of [0, 1, 2, 3]) checkOrder(from, to.applied.get(lane) ?? []);
  assert.equal(from.half.outbound.bytesUnacknowledged, 0);
  assert.equal(from.half.outbound.bytesQueued, 0);
  assert.equal(from.half.inbound.bytesUnhandled, 0);
}

/** Ids count up in the order of sending; one that takes the place of another goes earlier than its turn. */
function checkOrder(from: Side, applied: readonly number[]): void {
  const conflates = from.limits.policy === "conflate";
  const inTurn = new Set(
    from.sent
      .filter(({ delivery, key }) => delivery === "ordered" && !(conflates && key !== undefined))
      .map(({ id }) => id),
  );
  const ids = applied.filter((id) => inTurn.has(id));
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
    "in the order of sending",
  );
}

describe("a session over connections that may break at any frame", () => {
  it("loses nothing, applies nothing twice, keeps each lane's order, and holds no more memory than it may", () => {
    const seen = { cuts: 0, moves: 0, arrived: 0, givenUp: 0 };
    fc.assert(
      fc.property(
        fc.tuple(limits, limits),
        fc.tuple(windows, windows),
        begun,
        fc.array(steps, { minLength: 20, maxLength: 200, size: "max" }),
        (limits, windows, begun, steps) => {
          const before = chunkBytesInUse();
          const [a, b] = [new Side(limits[0], windows[0], begun), new Side(limits[1], windows[1], begun)];
          const pair = new Pair([a, b]);
          for (const [id, step] of steps.entries()) run(pair, step, id);
          pair.settle();
          check(a, b);
          check(b, a);
          assert.equal(chunkBytesInUse(), before, "what is acknowledged holds no memory");
          seen.cuts += pair.cuts;
          seen.moves += pair.moves;
          const outcomes = [...lasting(a), ...lasting(b)].map(({ outcome }) => outcome);
          seen.arrived += outcomes.filter((outcome) => outcome === "received").length;
          seen.givenUp += outcomes.filter((outcome) => outcome === "dropped" || outcome === "expired").length;
        },
      ),
      { numRuns: 500 },
    );
    // That the steps are such as to prove something.
    const { cuts, moves, arrived, givenUp } = seen;
    assert.ok(cuts > 200 && moves > 50 && arrived > 1_000 && givenUp > 100, JSON.stringify(seen));
  });
});
