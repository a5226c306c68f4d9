import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError } from "millrace";
import { Sessions } from "#internal/session/sessions.js";
import { until } from "../kit/until.js";

describe("environments that share sessions", () => {
  it("are listed while they live, and post to each other and to themselves", async () => {
    const got: [number, number, string][] = [];
    const first = Sessions.create(
      { maxSessions: 4, maxEnvironments: 3 },
      {
        message: () => assert.fail("this is for no session"),
        posted: (kind, bytes, sender) => got.push([kind, sender, Buffer.from(bytes).toString()]),
      },
    );
    const second = Sessions.join(first.shared);
    const numbers = [first.environment, second.environment];
    assert.deepEqual(first.environments, numbers);
    assert.deepEqual(second.environments, numbers);

    assert.equal(second.post(first.environment, 5, Buffer.from("from afar")), "sent");
    assert.equal(first.post(first.environment, 6, Buffer.from("from here")), "sent");
    await until("both came", () => got.length === 2);
    assert.deepEqual(
      got.sort(([a], [b]) => a - b),
      [
        [5, second.environment, "from afar"],
        [6, first.environment, "from here"],
      ],
    );

    assert.equal(first.post(2, 1, new Uint8Array(1)), "gone", "nobody has joined there");
    assert.equal(first.post(64, 1, new Uint8Array(1)), "gone");
    assert.equal(first.post(Number.NaN, 1, new Uint8Array(1)), "gone");
    assert.throws(() => first.post(second.environment, 0, new Uint8Array(1)), InvalidArgumentError);
    assert.throws(() => first.post(second.environment, 1, new Uint8Array(40_000)), InvalidArgumentError);
    second.close();
    assert.deepEqual(first.environments, [first.environment]);
    assert.equal(first.post(second.environment, 1, new Uint8Array(1)), "gone");
    first.close();
  });

  it("get nothing more while they handle what came, whoever asks for it meanwhile", async () => {
    const got: string[] = [];
    const receiver: Sessions = Sessions.create(
      { maxSessions: 4, maxEnvironments: 2 },
      {
        posted: (kind) => {
          got.push(`begin ${kind}`);
          receiver.receive();
          got.push(`end ${kind}`);
        },
      },
    );
    const sender = Sessions.join(receiver.shared);
    for (const kind of [1, 2])
      assert.equal(sender.post(receiver.environment, kind, new Uint8Array(1)), "sent");
    sender.flush();
    receiver.receive();
    assert.deepEqual(got, ["begin 1", "end 1", "begin 2", "end 2"]);
    sender.close();
    receiver.close();
  });

  it("tell what finds no room, and when there is some", async () => {
    const drained: number[] = [];
    let received = 0;
    const receiver = Sessions.create(
      { maxSessions: 4, maxEnvironments: 2 },
      { posted: () => (received += 1) },
    );
    const sender = Sessions.join(receiver.shared, { drain: (environment) => drained.push(environment) });
    const bytes = new Uint8Array(1000);
    const results = Array.from({ length: 70 }, () => sender.post(receiver.environment, 1, bytes));
    assert.deepEqual(new Set(results), new Set(["sent", "blocked", "dropped"]));
    await until("there is room", () => drained.length > 0);
    assert.deepEqual(drained, [receiver.environment]);
    assert.equal(received, results.filter((result) => result !== "dropped").length);
    sender.close();
    receiver.close();
  });

  it("learn of who was there before them and leaves at once", async () => {
    const left: number[] = [];
    const first = Sessions.create({ maxSessions: 4, maxEnvironments: 2 });
    const { environment } = first;
    const second = Sessions.join(first.shared, { left: (gone) => left.push(gone) });
    first.close();
    await until("it is told", () => left.length > 0);
    assert.deepEqual(left, [environment]);
    second.close();
  });

  it("learn of each that has left, even where another has its number by then", async () => {
    const left: number[] = [];
    const first = Sessions.create(
      { maxSessions: 4, maxEnvironments: 2 },
      { left: (environment) => left.push(environment) },
    );
    const second = Sessions.join(first.shared);
    const { environment } = second;
    // Whoever has posted there is told, however soon it leaves.
    assert.equal(first.post(environment, 1, new Uint8Array(1)), "sent");
    second.close();
    const third = Sessions.join(first.shared);
    assert.equal(third.environment, environment);
    await until("it is told", () => left.length > 0);
    assert.deepEqual(left, [environment]);
    first.maintain();
    assert.deepEqual(left, [environment], "once");
    third.close();
    first.close();
  });
});
