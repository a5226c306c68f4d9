import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { FrameContents } from "millrace";
import { type Acknowledgement, acknowledgedLevels } from "#internal/delivery/acknowledgement.js";
import type { Cursors } from "#internal/delivery/cursors.js";
import { costOf } from "#internal/delivery/frame_cost.js";
import { MarkingHalf } from "#internal/delivery/marking_half.js";
import { type Message, OwnMessage } from "#internal/delivery/message.js";
import { RequestBudget } from "#internal/delivery/pending_requests.js";
import { readSendAcked } from "#internal/delivery/send_options.js";
import { decodeFrame, FrameView } from "#internal/frame/frame.js";
import { roomy, text, Wire, windowBytes } from "./half.js";

const maxAwaited = 20;
const maxIds = 8;

/** One end, whose application confirms what it has when the test says so. */
class Side extends MarkingHalf {
  readonly has: Message[] = [];
  /** What was heard of each message that this side sent. */
  readonly outcomes: (Acknowledgement | undefined)[] = [];
  /** What the application has said of each message, by its text. */
  readonly said = new Map<string, number>();
  wire = new Wire(0);

  constructor() {
    super({
      outbound: roomy,
      inbound: { windowBytes, maxFrameBytes: 1_000 },
      maxMessageBytes: 1_000,
      requestBudget: new RequestBudget(1),
      requestTimeoutMs: 0x7fff_ffff,
      maxAwaitedAcks: maxAwaited,
      ids: { maxIds, maxAgeMs: 1e9, maxAnswerBytes: 1_000 },
    });
  }

  protected override checkOpen(): void {}

  async askAcked(
    words: string,
    level: number,
    messageId: string | undefined,
    priority: "normal" | "high",
  ): Promise<void> {
    const options = { level: acknowledgedLevels[level]!, messageId, priority };
    const { wait, ...read } = readSendAcked(text(words), options, 0);
    const at = this.outcomes.push(undefined) - 1;
    try {
      this.outcomes[at] = await this.sendAwaited(read, wait);
    } catch {
      this.outcomes[at] = { status: "dropped" };
    }
  }

  connect(wire: Wire, peerCursors: Cursors): void {
    this.wire = wire;
    this.carrier = wire;
    assert.equal(this.outbound.attach(wire, windowBytes, peerCursors, 0), true);
  }

  close(): void {
    this.endHalf("the test is over");
  }

  cut(): void {
    this.carrier = undefined;
    this.wire = new Wire(0);
    this.outbound.detach();
  }

  confirm(at: number, level: "delivered" | "read"): void {
    const message = this.has[at % Math.max(1, this.has.length)];
    if (message === undefined) return;
    message.confirm(level);
    const number = acknowledgedLevels.indexOf(level);
    this.said.set(message.text(), Math.max(number, this.said.get(message.text()) ?? 0));
  }

  protected override get canStore(): boolean {
    return false;
  }
  protected override onMessage(frame: Readonly<FrameContents>): void {
    this.has.push(new OwnMessage(frame, this));
    this.handled(frame.channel, frame.seq, costOf(frame));
  }
  protected override storeAgain(): void {}
  protected override holdsConfirmation(): boolean {
    return false;
  }
  protected override onRequest(): void {}
  protected override onPublication(): void {}
  protected override onOther(): void {}
  protected override onOwing(): void {}
  protected override onDrain(): void {}
  protected override onSent(): void {}
  protected override onAcknowledged(): void {}
}

const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      words: fc.constantFrom("a", "b", "c", "d"),
      level: fc.constantFrom(0, 2, 3),
      id: fc.constantFrom(undefined, "1", "2", "3", "4"),
      priority: fc.constantFrom("normal" as const, "high" as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), to: fc.nat(1), count: fc.nat(5) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("confirm" as const),
      at: fc.nat(),
      level: fc.constantFrom("delivered" as const, "read" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("acks" as const), of: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.constant({ do: "cut" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "connect" as const }) },
);

/** A sender and a receiver, and a link that any frame may be the last of. */
class Link {
  readonly sender = new Side();
  readonly receiver = new Side();
  readonly sides = [this.sender, this.receiver] as const;
  isUp = false;

  connect(): void {
    if (this.isUp) return;
    this.isUp = true;
    const cursors = this.sides.map((side) => side.inbound.cursors());
    for (const [index, side] of this.sides.entries()) side.connect(new Wire(), cursors[1 - index]!);
  }

  cut(): void {
    this.isUp = false;
    for (const side of this.sides) side.cut();
  }

  deliver(to: number): boolean {
    const frame = this.sides[1 - to]!.wire.take();
    if (frame === undefined) return false;
    this.sides[to]!.take(decodeFrame(frame, false, new FrameView()));
    return true;
  }

  /** Until nothing is on its way any more. */
  settle(): void {
    this.connect();
    for (let moved = true; moved; ) {
      moved = false;
      for (const [to, side] of this.sides.entries()) {
        while (this.deliver(to)) moved = true;
        side.sendAcks(true);
        side.pump(0);
      }
    }
  }
}

describe("acknowledgements between two halves", () => {
  it("say what the application said, whatever becomes of connections, and a message with an id comes once", async () => {
    let cuts = 0;
    let heard = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 80 }), async (list) => {
        const link = new Link();
        const { sender, receiver } = link;
        const asked: { readonly words: string; readonly level: number; readonly id: string | undefined }[] =
          [];
        for (const step of list) {
          if (step.do === "ask") {
            // The words are the message's own, unless it has an id: then they are that id's, now and then another's.
            const words = step.id === undefined ? `${asked.length}` : step.words === "d" ? "other" : step.id;
            asked.push({ words, level: step.level, id: step.id });
            void sender.askAcked(words, step.level, step.id, step.priority);
          } else if (step.do === "deliver") {
            for (let i = 0; i < step.count && link.deliver(step.to); i += 1);
          } else if (step.do === "confirm") receiver.confirm(step.at, step.level);
          else if (step.do === "acks") link.sides[step.of]!.sendAcks(true);
          else if (step.do === "cut") {
            link.cut();
            cuts += 1;
          } else link.connect();
        }
        link.settle();
        for (let at = 0; at < receiver.has.length; at += 1) receiver.confirm(at, "read");
        link.settle();
        await new Promise(setImmediate);
        const ids = receiver.has.map(({ messageId }) => messageId && Buffer.from(messageId).toString());
        const given = ids.filter((id) => id !== undefined);
        assert.equal(new Set(given).size, given.length, "an id is handled once");
        for (const [at, { words, level, id }] of asked.entries()) {
          const outcome = sender.outcomes[at];
          assert.ok(outcome !== undefined, `${at} is heard of`);
          if (outcome.status === "acknowledged") {
            heard += 1;
            assert.ok(acknowledgedLevels.indexOf(outcome.level) >= level);
            if (level > 0) assert.ok(receiver.said.get(words)! >= level, "the application said so");
          } else if (outcome.status === "rejected") {
            assert.ok(id !== undefined, "only an id has a conflict, or a queue of its own");
          } else assert.equal(outcome.status, "dropped");
        }
        sender.close();
        receiver.close();
      }),
      { numRuns: 400 },
    );
    assert.ok(cuts > 100 && heard > 1_000, `${cuts} cuts, ${heard} heard`);
  });

  it("are waited for by so many at most, whatever is sent", async () => {
    const link = new Link();
    const all = Array.from({ length: 3 * maxAwaited }, (_, i) =>
      link.sender.askAcked(`${i}`, 3, undefined, "normal"),
    );
    await new Promise(setImmediate);
    const refused = link.sender.outcomes.filter((outcome) => outcome?.status === "dropped");
    assert.equal(refused.length, 2 * maxAwaited);
    link.sender.close();
    await Promise.all(all);
    assert.equal(link.sender.outcomes.filter((outcome) => outcome?.status === "lost").length, maxAwaited);
  });
});
