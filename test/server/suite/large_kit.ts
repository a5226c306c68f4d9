import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { TransferFailedError } from "millrace";
import {
  clientReceivesLarge,
  type LargeMessage,
  type LargeSession,
  type ReceiveLargeOptions,
  serverReceivesLarge,
} from "millrace/large";
import type { Session, Store } from "millrace/server";
import { deferred } from "../../kit/deferred.js";
import { until } from "../../kit/until.js";
import type { SessionKit } from "./kit.js";

export const KIB = 1_024;
export const MIB = 1_024 * KIB;

/** A server and a client that receive large messages alike. */
export async function twoSides(
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
export function endless(chunkBytes = 64 * KIB) {
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

/** Asserts that a message does not come through, and what its sender is told. */
export async function failsBy(sent: Promise<unknown>, code: number, reason: RegExp): Promise<void> {
  await assert.rejects(sent, (error) => {
    assert.ok(error instanceof TransferFailedError, `${error}`);
    assert.equal(error.failureCode, code);
    assert.match(error.message, reason);
    return true;
  });
}
