import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPreference } from "#internal/client/preference.js";
import { type RaceOptions, race } from "#internal/client/race.js";
import { mayRetry, retryAfterOf } from "#internal/client/retrying.js";
import { ConnectionRefusedError, HandshakeTimeoutError, SessionRefusedError } from "#internal/errors.js";
import { type Deferred, deferred } from "../kit/deferred.js";
import { VirtualTime } from "../kit/virtual_time.js";

const urls = ["quic://a:1", "wss://a:2", "tls://a:3"];
const [quic, wss, tls] = urls as [string, string, string];

interface Dial extends Deferred<string> {
  readonly signal: AbortSignal;
}

/** A race whose dials are settled by hand. */
function start(options: Partial<RaceOptions<string>> = {}, among = urls) {
  const time = new VirtualTime();
  const dials = new Map<string, Dial>();
  const discarded: string[] = [];
  const result = race(among, {
    headStartMs: 250,
    clock: time,
    dial: (url, signal) => {
      const dial = { ...deferred<string>(), signal };
      dials.set(url, dial);
      return dial.promise;
    },
    discard: (late) => discarded.push(late),
    ...options,
  });
  result.catch(() => {});
  return {
    ...{ time, discarded, result },
    dial: (url: string) => dials.get(url)!,
    started: () => [...dials.keys()],
  };
}

/** Lets all that is settled be heard. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a race", () => {
  it("leaves the first alone for its head start, and then starts the others at once", async () => {
    const { time, dial, started, result } = start();
    assert.deepEqual(started(), [quic]);
    time.advance(249);
    assert.deepEqual(started(), [quic]);
    time.advance(1);
    assert.deepEqual(started(), urls);
    time.advance(40);
    dial(wss).resolve("the socket");
    const { value, url, endedAtMs, entrants } = await result;
    assert.deepEqual({ value, url, endedAtMs }, { value: "the socket", url: wss, endedAtMs: 290 });
    assert.deepEqual(
      entrants.map(({ startedAtMs, error }) => ({ startedAtMs, error })),
      [0, 250, 250].map((startedAtMs) => ({ startedAtMs, error: undefined })),
    );
  });

  it("starts nobody else where the first succeeds in time", async () => {
    const { time, dial, started, result } = start();
    time.advance(200);
    dial(quic).resolve("the connection");
    assert.equal((await result).url, quic);
    time.advance(1_000);
    assert.deepEqual(started(), [quic]);
    assert.equal(dial(quic).signal.aborted, false, "the winner's signal stays silent");
  });

  it("starts the others as soon as the first has failed", async () => {
    const { time, dial, started, result } = start();
    time.advance(10);
    const refused = new ConnectionRefusedError("nobody");
    dial(quic).reject(refused);
    await turn();
    assert.deepEqual(started(), urls);
    dial(tls).resolve("the socket");
    const { url, entrants } = await result;
    assert.deepEqual([url, entrants[0]?.error, entrants[1]?.startedAtMs], [tls, refused, 10]);
  });

  it("aborts the losers and does not wait for them; who comes all the same is discarded", async () => {
    const { time, dial, result, discarded } = start();
    time.advance(250);
    dial(wss).resolve("first");
    await result;
    assert.deepEqual(
      urls.map((url) => dial(url).signal.aborted),
      [true, false, true],
    );
    dial(quic).resolve("too late");
    dial(tls).reject(new Error("aborted"));
    await turn();
    assert.deepEqual(discarded, ["too late"]);
  });

  it("has one winner where two succeed in the same turn", async () => {
    const { time, dial, result, discarded } = start();
    time.advance(250);
    dial(tls).resolve("one");
    dial(quic).resolve("other");
    assert.equal((await result).value, "one");
    await turn();
    assert.deepEqual(discarded, ["other"]);
  });

  it("starts all at once without a head start, and as soon as it is known that it is in vain", async () => {
    assert.deepEqual(start({ headStartMs: 0 }).started(), urls);
    const known = deferred<boolean>();
    const { started } = start({ noHeadStart: known.promise });
    assert.deepEqual(started(), [quic]);
    known.resolve(true);
    await turn();
    assert.deepEqual(started(), urls);
    const other = start({ noHeadStart: Promise.resolve(false) });
    await turn();
    assert.deepEqual(other.started(), [quic]);
  });

  it("fails with what each has failed with", async () => {
    const { time, dial, result } = start({}, [quic, wss]);
    time.advance(250);
    const errors = [new HandshakeTimeoutError("silence"), new ConnectionRefusedError("nobody")];
    dial(wss).reject(errors[1]);
    dial(quic).reject(errors[0]);
    await assert.rejects(result, {
      code: "ERR_MILLRACE_CONNECT_FAILED",
      message: "no connection by any of 2 URLs: quic://a:1: silence; wss://a:2: nobody",
      retryable: true,
      errors: [
        { url: quic, error: errors[0] },
        { url: wss, error: errors[1] },
      ],
    });
  });

  it("fails as its only URL does", async () => {
    const { dial, result } = start({}, [wss]);
    const error = new ConnectionRefusedError("nobody");
    dial(wss).reject(error);
    await assert.rejects(result, error);
  });

  it("ends with a server's refusal, which would be the same for all", async () => {
    const { time, dial, result } = start();
    time.advance(250);
    const error = new SessionRefusedError("who are you?", { rejectCode: 1 });
    dial(wss).reject(error);
    await assert.rejects(result, error);
    assert.deepEqual([dial(quic).signal.aborted, dial(tls).signal.aborted], [true, true]);
  });

  it("goes on where a server names another", async () => {
    const { dial, started, result } = start();
    dial(quic).reject(new SessionRefusedError("ask b", { rejectCode: 8, target: "quic://b:1" }));
    await turn();
    assert.deepEqual(started(), urls);
    dial(tls).resolve("found");
    assert.equal((await result).value, "found");
  });

  it("goes on where a server could not tell, and tells what each has said where none could", async () => {
    const { dial, started, result } = start();
    const late = new SessionRefusedError("too late", { rejectCode: 9, retryAfterMs: 5_000 });
    dial(quic).reject(late);
    await turn();
    assert.deepEqual(started(), urls);
    dial(tls).reject(new SessionRefusedError("a fault of the server", { rejectCode: 7 }));
    dial(wss).reject(new ConnectionRefusedError("nobody"));
    const error = await result.catch((cause: unknown) => cause);
    assert.match(String(error), /too late.*nobody.*a fault of the server/);
    assert.equal(mayRetry(error), true);
    assert.equal(retryAfterOf(error), 5_000);
  });

  it("ends at once when its caller gives up", async () => {
    const controller = new AbortController();
    const { time, dial, result, started } = start({ signal: controller.signal });
    controller.abort(new Error("no longer wanted"));
    await assert.rejects(result, { code: "ERR_MILLRACE_ABORTED" });
    assert.equal(dial(quic).signal.aborted, true);
    time.advance(1_000);
    assert.deepEqual(started(), [quic]);
    const before = start({ signal: controller.signal });
    await assert.rejects(before.result, { code: "ERR_MILLRACE_ABORTED" });
    assert.deepEqual(before.started(), []);
  });
});

describe("the order of a race", () => {
  it("is that of the URLs, but QUIC first", () => {
    assert.deepEqual(byPreference(["wss://a", "tls://b:1", "quic://c:1", "ws://d"], undefined), [
      "quic://c:1",
      "wss://a",
      "tls://b:1",
      "ws://d",
    ]);
  });

  it("begins with the transport that is preferred, by its name or its scheme", () => {
    const given = ["quic://c:1", "wss://a", "tcp://b:1", "mem://d:1", "ws://e"];
    const of = (preferred: string) => byPreference(given, preferred).slice(0, 2);
    assert.deepEqual(of("websocket"), ["wss://a", "ws://e"]);
    assert.deepEqual(of("ws"), ["ws://e", "quic://c:1"]);
    assert.deepEqual(of("tcp"), ["tcp://b:1", "quic://c:1"]);
    assert.deepEqual(of("mem"), ["mem://d:1", "quic://c:1"]);
  });
});
