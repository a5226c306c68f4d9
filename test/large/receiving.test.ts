import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FailureCode, type Message } from "millrace/server";
import { AckLevel } from "#internal/delivery/ack.js";
import { withMarks } from "#internal/delivery/marks.js";
import type { LargeMessage } from "#internal/large/large_message.js";
import { encodeOffer } from "#internal/large/offer.js";
import { type Part, partMeta } from "#internal/large/part.js";
import { receivedBytes } from "#internal/large/received_bytes.js";
import { Receiving } from "#internal/large/receiving.js";
import { until } from "../kit/until.js";

const windowBytes = 8_192;
const limits = {
  windowBytes,
  ...{ maxBytes: 1_000_000, maxTransfers: 10, maxTransfersPerSession: 10, idleTimeoutMs: 60_000 },
};

/** A part of large message 1, of 768 bytes: 1,024 in the window. @param isTold whether its sender can be told that it came. */
function partOf(part: Part, isTold: () => boolean, rejections: (number | undefined)[]): Message {
  const message: Message = {
    ...{ type: 1, subject: undefined, lane: 0, sequence: 1, messageId: undefined },
    payload: new Uint8Array(part.kind === "chunk" ? 768 : 0),
    meta: withMarks(partMeta(part), undefined, AckLevel.delivered) ?? [],
    text: () => "",
    json: () => undefined,
    copy: () => message,
    confirm: isTold,
    reject: (_reason, code) => rejections.push(code) > 0,
  };
  return message;
}

describe("who receives large messages", () => {
  test("keeps no more than its window for a sender that does not let itself be told", async () => {
    const session = { transport: "tcp" };
    const rejections: (number | undefined)[] = [];
    let bytes = 0;
    let isTold = true;
    const large = async (_session: unknown, message: LargeMessage) => {
      for await (const chunk of message) bytes += chunk.length;
    };
    const receiving = new Receiving<typeof session>({ large, report: () => {} }, limits);
    await receiving.offer(session, encodeOffer({ id: 1, windowBytes }));
    let index = 0;
    const say = async () => {
      receiving.take(
        session,
        partOf({ kind: "chunk", index }, () => isTold, rejections),
      );
      index += 1;
      await until("it is taken", () => bytes === 768 * index || rejections.length > 0);
    };
    while (index < 50) await say();
    assert.deepEqual(rejections, [], "who lets itself be told goes on for ever");
    isTold = false;
    while (index < 58) await say();
    assert.deepEqual(rejections, []);
    await say();
    assert.deepEqual(rejections, Array(9).fill(FailureCode.malformed), "this one, and all not told of");
  });

  test("puts chunks together as they come, however small they are", async () => {
    const chunk = new Uint8Array(1);
    async function* chunks(count: number) {
      for (let at = 0; at < count; at += 1) {
        chunk[0] = at % 251; // what is kept as it came is changed by the next
        yield chunk;
      }
    }
    const expected = new Uint8Array(100_000).map((_, at) => at % 251);
    for (const totalBytes of [undefined, 100_000]) {
      const got = await receivedBytes(chunks(100_000), totalBytes, {});
      assert.equal(Buffer.compare(got, expected), 0);
      assert.equal(got.buffer.byteLength, got.length, "in no larger memory");
    }
    assert.deepEqual(await receivedBytes(chunks(0), undefined, {}), new Uint8Array(0));
  });
});
