import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Message } from "millrace/server";
import { Assembly } from "#internal/large/assembly.js";
import { seededRandom } from "../kit/random.js";

const limits = { windowBytes: 65_536, maxBytes: 1_000_000, totalBytes: undefined };

function messageOf(place: number): Message {
  return { payload: new Uint8Array(100).fill(place) } as unknown as Message;
}

describe("the chunks of a large message", () => {
  test("are taken by their places, in whatever order they come, the end among them", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 200; round += 1) {
      const count = 1 + random(40);
      const assembly = new Assembly(limits);
      const coming = Array.from({ length: count + 1 }, (_, place) => place);
      const taken: number[] = [];
      while (coming.length > 0) {
        const [place] = coming.splice(random(coming.length), 1) as [number];
        const message = messageOf(place);
        const wrong =
          place === count ? assembly.finish(count, 100 * count, message) : assembly.add(place, message);
        assert.equal(wrong, undefined);
        for (let next = assembly.take(); next !== undefined; next = assembly.take()) {
          taken.push(next.payload[0]!);
        }
        assert.equal(assembly.isWhole, coming.length === 0);
        assert.equal(assembly.shortage, undefined);
      }
      assert.deepEqual(
        taken,
        Array.from({ length: count }, (_, place) => place),
      );
      assert.equal(assembly.bytesTaken, 100 * count);
    }
  });
});
