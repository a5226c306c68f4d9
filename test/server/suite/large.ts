import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { AbortedError, FrameTooLargeError, InvalidArgumentError, TransferFailedError } from "millrace";
import type { ClientSession } from "millrace/client";
import {
  clientReceivesLarge,
  type LargeMessage,
  type LargeSession,
  type ReceiveLargeOptions,
  sendLarge,
  serverReceivesLarge,
} from "millrace/large";
import { FailureCode, RequestFailure, type Session, type Store } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

const KIB = 1_024;
const MIB = 1_024 * KIB;

/** A server and a client that receive large messages alike. */
async function twoSides(
  kit: SessionKit,
  t: TestContext,
  options: Omit<ReceiveLargeOptions<unknown>, "large"> & {
    large(session: unknown, message: LargeMessage): unknown;
  },
  store?: Store,
) {
  const opened = deferred<Session>();
  const errors: unknown[] = [];
  const error = (_session: unknown, cause: unknown) => errors.push(cause);
  const server = await kit.serve(
    t,
    serverReceivesLarge(
      { open: (session) => opened.resolve(session), requests: { well: () => "yes" }, error },
      options,
    ),
    { store },
  );
  const client = await kit.join(
    t,
    server,
    {},
    clientReceivesLarge({ requests: { well: () => "yes" }, error }, options),
  );
  const session = await opened.promise;
  const ways: readonly (readonly [string, LargeSession])[] = [
    ["from the client", client],
    ["from the server", session],
  ];
  const goOn = async () => {
    client.abandon();
    await until("it is detached", () => client.state === "disconnected");
    assert.equal(await client.switchTo(server.urls[0]!), true);
  };
  return { server, client, session, ways, errors, goOn };
}

/** Gives zeros for ever, and counts them. */
function endless(chunkBytes = 64 * KIB) {
  const source = {
    given: 0,
    isStopped: false,
    *[Symbol.iterator]() {
      try {
        for (;;) {
          source.given += chunkBytes;
          yield new Uint8Array(chunkBytes);
        }
      } finally {
        source.isStopped = true;
      }
    },
  };
  return source;
}

async function failsBy(sent: Promise<unknown>, code: number, reason: RegExp): Promise<void> {
  await assert.rejects(sent, (error) => {
    assert.ok(error instanceof TransferFailedError, `${error}`);
    assert.equal(error.failureCode, code);
    assert.match(error.message, reason);
    return true;
  });
}

export function describeLarge(kit: SessionKit): void {
  describe("large messages", () => {
    test("come whole, both ways, with what is said of them, and tell how far they are", async (t) => {
      const got: [LargeMessage, Uint8Array][] = [];
      const { ways } = await twoSides(kit, t, {
        large: async (_session, message) => got.push([message, await message.toBytes()]),
      });
      const bytes = randomBytes(3 * MIB + 1);
      for (const [way, session] of ways) {
        const progress: number[] = [];
        const sent = await sendLarge(session, bytes, {
          subject: "film",
          about: { name: "film.mp4" },
          onProgress: ({ bytesTaken, totalBytes }) => {
            assert.equal(totalBytes, bytes.length);
            progress.push(bytesTaken);
          },
        });
        assert.deepEqual(sent, { bytes: bytes.length }, way);
        assert.equal(progress.at(-1), bytes.length);
        assert.deepEqual(
          progress,
          [...new Set(progress)].sort((a, b) => a - b),
          "it only grows",
        );
        assert.ok(progress.length >= 48, "in pieces");
        const [message, received] = got.shift()!;
        assert.equal(bytes.compare(received), 0);
        assert.deepEqual(
          [message.subject, message.about, message.totalBytes, message.bytesReceived],
          ["film", { name: "film.mp4" }, bytes.length, bytes.length],
        );
      }
    });

    test("are what send refuses by its size: its error names the function", async (t) => {
      const { client, session } = await twoSides(kit, t, { large: () => {} });
      for (const side of [client, session]) {
        assert.equal(side.maxPayloadBytes, MIB);
        for (const send of [
          () => side.send(new Uint8Array(2 * MIB)),
          () => side.sendAcked(new Uint8Array(2 * MIB)),
          () => side.request("well", new Uint8Array(2 * MIB)),
        ]) {
          await assert.rejects(
            async () => send(),
            (error) => {
              assert.ok(error instanceof FrameTooLargeError);
              assert.match(error.message, /2097152 bytes; at most 1048576 .*sendLarge \(millrace\/large\)/);
              return true;
            },
          );
        }
      }
    });

    test("go on over another connection, again and again, and miss nothing", async (t) => {
      const got: Uint8Array[] = [];
      const { ways, goOn } = await twoSides(kit, t, {
        large: async (_session, message) => got.push(await message.toBytes()),
      });
      const bytes = randomBytes(4 * MIB);
      for (const [way, session] of ways) {
        let taken = 0;
        const sent = sendLarge(session, bytes, {
          onProgress: ({ bytesTaken }) => {
            taken = bytesTaken;
          },
        });
        for (let round = 1; round <= 5; round += 1) {
          await until(`round ${round} ${way}`, () => taken >= (round * bytes.length) / 8);
          await goOn();
        }
        assert.deepEqual(await sent, { bytes: bytes.length });
        assert.equal(bytes.compare(got.shift()!), 0, way);
      }
    });

    test("wait for who reads slowly, hold no more than their window, and nothing else waits for them", async (t) => {
      let gate = deferred();
      const windowBytes = 256 * KIB;
      const { ways, client, session } = await twoSides(kit, t, {
        windowBytes,
        large: async (_session, message) => {
          for await (const _chunk of message) await gate.promise;
        },
      });
      for (const [way, side] of ways) {
        gate = deferred();
        const source = endless();
        const abort = new AbortController();
        const sent = sendLarge(side, source, { signal: abort.signal });
        await until("the window is full", () => source.given >= windowBytes);
        for (let question = 0; question < 10; question += 1) {
          assert.equal((await client.request("well")).status, "success");
          assert.equal((await session.request("well")).status, "success");
          assert.equal(side.bytesQueued < 256 * KIB && client.send("a word"), "sent", way);
        }
        // What the reader has in its hands, what is on its way, and what waits for room.
        assert.ok(source.given <= windowBytes + 3 * 64 * KIB, `${source.given} ${way}`);
        abort.abort();
        await assert.rejects(sent, AbortedError);
        gate.resolve();
        assert.ok(source.isStopped);
      }
    });

    test("are refused before any bytes flow: by who takes them, by their size, or where nobody does", async (t) => {
      const { ways, errors } = await twoSides(kit, t, {
        maxBytes: 10 * MIB,
        large: (_session, { subject, totalBytes }) => {
          if (subject === "secret") throw new RequestFailure("not you", FailureCode.forbidden);
          if (totalBytes === undefined) throw new RequestFailure("say how large it is", 1_411);
        },
      });
      for (const [, session] of ways) {
        const source = endless();
        const named = { totalBytes: 5 * MIB, subject: "secret" };
        await failsBy(sendLarge(session, source, named), FailureCode.forbidden, /not you/);
        await failsBy(sendLarge(session, source), 1_411, /say how large/);
        const large = { totalBytes: 10 * MIB + 1 };
        await failsBy(sendLarge(session, source, large), FailureCode.forbidden, /more than 10485760 bytes/);
        const ignored = { totalBytes: 5 * MIB };
        await failsBy(sendLarge(session, source, ignored), FailureCode.failed, /has not taken all/);
        assert.equal(source.given, 0);
      }
      assert.deepEqual(errors, []);
      const got: string[] = [];
      const server = await kit.serve(t, { message: (_session, message) => got.push(message.text()) });
      const client = await kit.join(t, server);
      await failsBy(sendLarge(client, endless()), FailureCode.unknownSubject, /receives no large messages/);
      await client.sendAcked("a word");
      assert.deepEqual(got, ["a word"], "nothing else has come");
    });

    test("end in the middle when either side says so, and the other is told why", async (t) => {
      let seen: LargeMessage | undefined;
      let wantsBytes = Number.POSITIVE_INFINITY;
      const outcomes: unknown[] = [];
      const { ways, errors } = await twoSides(kit, t, {
        large: async (_session, message) => {
          seen = message;
          try {
            for await (const _chunk of message) {
              if (message.bytesReceived > wantsBytes) message.cancel("that is enough", 1_001);
            }
          } catch (cause) {
            outcomes.push(cause);
            throw cause;
          }
        },
      });
      for (const [way, session] of ways) {
        wantsBytes = MIB;
        const source = endless();
        await failsBy(sendLarge(session, source), 1_001, /that is enough/);
        assert.ok(source.isStopped);
        await until("who took it knows, too", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), 1_001, /that is enough/);

        wantsBytes = Number.POSITIVE_INFINITY;
        const abort = new AbortController();
        const sent = sendLarge(session, endless(), {
          signal: abort.signal,
          onProgress: ({ bytesTaken }) => bytesTaken > MIB && abort.abort(),
        });
        await assert.rejects(sent, AbortedError);
        await until("who took it is told", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), FailureCode.failed, /given it up: .*signal/);
        assert.equal(seen?.signal.aborted, true, way);

        const broken = (function* () {
          yield new Uint8Array(2 * MIB);
          throw new RangeError("the disk is gone");
        })();
        await assert.rejects(sendLarge(session, broken), RangeError);
        await until("who took it is told of that", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes.shift()), FailureCode.failed, /a fault of the sender/);
      }
      assert.deepEqual(errors, []);
    });

    test("are done when their handler is, and fail with it, even behind the last byte", async (t) => {
      const release = deferred();
      let isSent = false;
      const { ways, errors } = await twoSides(kit, t, {
        large: async (_session, message) => {
          for await (const _chunk of message) if (message.subject === "a part") break;
          await release.promise;
          if (message.subject === "no room") throw new RequestFailure("the disk is full", 1_507);
          if (message.subject === "a fault") throw new RangeError("what is this?");
        },
      });
      const bytes = new Uint8Array(MIB + 1);
      const sent = sendLarge(ways[0]![1], bytes).then(() => {
        isSent = true;
      });
      assert.equal((await sendOnly(ways[1]![1], bytes)).at(-1), bytes.length, "all was read");
      assert.equal(isSent, false);
      release.resolve();
      await sent;
      for (const [, session] of ways) {
        await failsBy(sendLarge(session, bytes, { subject: "no room" }), 1_507, /disk is full/);
        await failsBy(sendLarge(session, bytes, { subject: "a part" }), FailureCode.failed, /no more of it/);
        assert.equal(errors.length, 0);
        await failsBy(sendLarge(session, bytes, { subject: "a fault" }), FailureCode.internal, /a fault/);
        assert.ok(errors.shift() instanceof RangeError);
      }
      async function sendOnly(session: LargeSession, source: Uint8Array): Promise<number[]> {
        const progress: number[] = [];
        void sendLarge(session, source, { onProgress: ({ bytesTaken }) => progress.push(bytesTaken) });
        await until("all is read", () => progress.at(-1) === source.length);
        return progress;
      }
    });

    test("fail on both sides when their session ends", async (t) => {
      for (const from of [0, 1]) {
        const outcomes: unknown[] = [];
        let bytes = 0;
        const { ways, client, errors } = await twoSides(kit, t, {
          large: async (_session, message) => {
            try {
              for await (const chunk of message) bytes += chunk.length;
            } catch (cause) {
              outcomes.push(cause);
              throw cause;
            }
          },
        });
        const sent = failsBy(sendLarge(ways[from]![1], endless()), FailureCode.lost, /ended, or was lost/);
        await until("it is on its way", () => bytes > MIB);
        await client.close();
        await sent;
        await until("who took it is told", () => outcomes.length === 1);
        await failsBy(Promise.reject(outcomes[0]), FailureCode.lost, /session has ended/);
        assert.deepEqual(errors, []);
      }
    });

    test("are so many at a time, of one session and of all; the others go on", async (t) => {
      const gate = deferred();
      const got: number[] = [];
      const { server, client, errors } = await twoSides(kit, t, {
        maxTransfers: 3,
        maxTransfersPerSession: 2,
        large: async (_session, message) => {
          let bytes = 0;
          for await (const chunk of message) {
            await gate.promise;
            bytes += chunk.length;
          }
          got.push(bytes);
        },
      });
      const second = await kit.join(t, server);
      const bytes = new Uint8Array(MIB);
      let begun = 0;
      const send = (session: ClientSession) => {
        const sent = sendLarge(session, bytes, { onProgress: () => {} });
        begun += 1;
        return sent;
      };
      const sent = [send(client), send(client)];
      await failsBy(send(client), FailureCode.overloaded, /as many/);
      sent.push(send(second));
      await failsBy(send(second), FailureCode.overloaded, /as many/);
      assert.equal(begun, 5);
      gate.resolve();
      await Promise.all(sent);
      assert.deepEqual(got, [MIB, MIB, MIB]);
      await send(client);
      assert.deepEqual(errors, []);
    });

    test("are nothing to a store, whose messages are of the application", async (t) => {
      const stored: (string | undefined)[] = [];
      const store: Store = { durability: "process", append: ({ subject }) => void stored.push(subject) };
      const { client } = await twoSides(kit, t, { large: (_session, message) => message.toBytes() }, store);
      await sendLarge(client, new Uint8Array(MIB + 1));
      assert.equal(
        (await client.sendAcked("an order", { level: "stored", subject: "o" })).status,
        "acknowledged",
      );
      assert.deepEqual(stored, ["o"]);
    });

    test("are messages as all others where nobody receives them, to a store as well", async (t) => {
      const stored: (string | undefined)[] = [];
      const store: Store = { durability: "process", append: ({ subject }) => void stored.push(subject) };
      const server = await kit.serve(t, { message() {} }, { store });
      const client = await kit.join(t, server);
      const told = await client.sendAcked("an order", { level: "stored", subject: "millrace.large" });
      assert.equal(told.status, "acknowledged");
      assert.deepEqual(stored, ["millrace.large"]);
    });

    test("are not begun where middleware lets them pass when their session is over", async (t) => {
      const [held, closed, passed, gate] = [deferred(), deferred(), deferred(), deferred()];
      let begun = 0;
      const server = await kit.serve(
        t,
        serverReceivesLarge(
          { close: () => closed.resolve() },
          {
            large: () => {
              begun += 1;
            },
          },
        ),
        {
          middleware: [
            {
              name: "slow",
              incoming: async (_session, _incoming, next) => {
                held.resolve();
                await gate.promise;
                try {
                  return await next();
                } finally {
                  passed.resolve();
                }
              },
            },
          ],
        },
      );
      const client = await kit.join(t, server);
      const sent = assert.rejects(sendLarge(client, new Uint8Array(10)));
      await held.promise;
      await client.close();
      await Promise.all([sent, closed.promise]);
      gate.resolve();
      await passed.promise;
      assert.equal(begun, 0);
    });

    test("come from what has bytes to give, and from nothing else", async (t) => {
      const got: Buffer[] = [];
      const { client } = await twoSides(kit, t, {
        large: async (_session, message) => got.push(Buffer.from(await message.toBytes())),
      });
      const text = "a word and another, ".repeat(10_000);
      const bytes = Buffer.from(text);
      const reused = function* () {
        const buffer = new Uint8Array(1_000);
        for (let at = 0; at < bytes.length; at += 1_000) {
          buffer.set(bytes.subarray(at, at + 1_000));
          yield buffer;
        }
      };
      const sources = [
        text,
        bytes,
        new Blob([bytes]),
        new Blob([bytes]).stream(),
        [bytes.subarray(0, 10), new Uint8Array(0), bytes.subarray(10)],
        reused(),
        (async function* () {
          yield bytes;
        })(),
      ];
      for (const source of sources) {
        assert.deepEqual(await sendLarge(client, source), { bytes: bytes.length });
        assert.equal(got.shift()!.compare(bytes), 0);
      }
      assert.deepEqual(await sendLarge(client, ""), { bytes: 0 });
      assert.equal(got.shift()!.length, 0);
      for (const wrong of [undefined, 5, {}, ["text"], [5]]) {
        await assert.rejects(sendLarge(client, wrong as never), InvalidArgumentError);
      }
      for (const totalBytes of [bytes.length - 1, bytes.length + 1]) {
        await assert.rejects(sendLarge(client, bytes, { totalBytes }), /totalBytes/);
        await assert.rejects(sendLarge(client, [bytes], { totalBytes }), /totalBytes/);
      }
      assert.deepEqual(got, []);
    });
  });
}
