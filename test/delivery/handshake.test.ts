import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type FrameContents,
  FrameMalformedError,
  InvalidArgumentError,
  type MetaEntry,
  ProtocolViolationError,
} from "millrace";
import { checkAck, encodeAck } from "#internal/delivery/ack.js";
import { checkCommit, encodeCommit } from "#internal/delivery/commit.js";
import { type Confirmation, confirmationOf, readConfirmation } from "#internal/delivery/confirmation.js";
import { contentsOf } from "#internal/delivery/contents.js";
import { encodeGap, readGap } from "#internal/delivery/gap.js";
import { encodeGoAway, readGoAway } from "#internal/delivery/goaway.js";
import { encodeHello, type Hello, readHello } from "#internal/delivery/hello.js";
import { marksOf } from "#internal/delivery/marks.js";
import { encodeReject, readReject } from "#internal/delivery/reject.js";
import { defaultMaxMessageBytes, defaultWindowBytes } from "#internal/delivery/terms.js";
import { encodeWelcome, readWelcome, type Welcome } from "#internal/delivery/welcome.js";
import { hotHeadBytes } from "#internal/frame/codec.js";
import { decodeFrame, encodeFrame, FrameView } from "#internal/frame/frame.js";
import { hellos, sequences, u32, welcomes } from "./arbitraries.js";

/** What the other side gets. */
function sent(frame: FrameContents): FrameView {
  return decodeFrame(encodeFrame(frame, frame.payload, frame), false, new FrameView());
}

/** A confirmation's frame, in some place of its own lane. */
function confirmed(confirmation: Confirmation): FrameContents {
  const { kind, type, payload, subject, meta = [] } = confirmationOf(confirmation);
  return contentsOf(kind, { type, payload, subject, meta });
}

const hello: Hello = {
  version: 1,
  clientId: "ann",
  token: Uint8Array.of(1, 2),
  resumption: {
    session: new Uint8Array(16),
    resume: Uint8Array.of(9),
    cursors: new Map([[0, 7]]),
    places: new Map([["room.1", new Uint8Array(12)]]),
  },
  heartbeatMs: 15_000,
  windowBytes: 1000,
  maxMessageBytes: 1000,
  meta: [],
  early: [],
};
const welcome: Welcome = {
  version: 1,
  session: new Uint8Array(16),
  resume: Uint8Array.of(9),
  resumed: true,
  cursors: new Map([[0, 7]]),
  clientId: "ann",
  heartbeatMs: 15_000,
  windowBytes: 1000,
  maxMessageBytes: 1000,
  meta: [],
  answersEarly: false,
};

/** The frame with one entry changed, left out, or there twice. */
function withMeta(frame: FrameContents, change: (meta: MetaEntry[]) => MetaEntry[]): FrameContents {
  return { ...frame, meta: change([...(frame.meta ?? [])]) };
}

const twice = (key: string) => (meta: MetaEntry[]) => [...meta, ...meta.filter((entry) => entry.key === key)];
const without = (key: string) => (meta: MetaEntry[]) => meta.filter((entry) => entry.key !== key);
const as = (key: string, value: Uint8Array) => (meta: MetaEntry[]) => [...without(key)(meta), { key, value }];

describe("the frames that open a session", () => {
  it("come back as they were written", () => {
    fc.assert(fc.property(hellos, (hello) => assert.deepEqual(readHello(sent(encodeHello(hello))), hello)));
    fc.assert(
      fc.property(welcomes, (welcome) =>
        assert.deepEqual(readWelcome(sent(encodeWelcome(welcome))), welcome),
      ),
    );
  });

  it("own what they say: the frame's memory may be used again", () => {
    const bytes = encodeFrame(encodeHello(hello), hello.token, encodeHello(hello));
    const read = readHello(decodeFrame(bytes, false, new FrameView()));
    bytes.fill(0xff);
    assert.deepEqual(read, hello);
  });

  it("give a peer that says nothing of itself the defaults, and ignore what they do not know", () => {
    const bare: FrameContents = {
      ...encodeHello({ ...hello, resumption: undefined }),
      meta: [{ key: "colour", value: Uint8Array.of(1) }],
    };
    const { windowBytes, maxMessageBytes, heartbeatMs, resumption, meta } = readHello(sent(bare));
    assert.deepEqual(
      { windowBytes, maxMessageBytes, heartbeatMs, resumption, meta },
      {
        windowBytes: defaultWindowBytes,
        maxMessageBytes: defaultMaxMessageBytes,
        heartbeatMs: undefined,
        resumption: undefined,
        meta: [],
      },
    );
  });

  it("take an empty client id for none", () => {
    assert.equal(readHello({ ...encodeHello(hello), subject: "" }).clientId, undefined);
    assert.equal(encodeHello({ ...hello, clientId: "" }).subject, undefined);
  });

  const malformed: Record<string, (meta: MetaEntry[]) => MetaEntry[]> = {
    "a session of 15 bytes": as("session", new Uint8Array(15)),
    "an empty resume token": as("resume", new Uint8Array(0)),
    "a resume token of 257 bytes": as("resume", new Uint8Array(257)),
    "a heartbeat of 3 bytes": as("heartbeat", new Uint8Array(3)),
    "a window of 8 bytes": as("window", new Uint8Array(8)),
    "a cursor of 11 bytes": as("cursor", new Uint8Array(11)),
    "a compression of 10 bytes": as("compression", new Uint8Array(10)),
  };
  const violations: Record<string, (meta: MetaEntry[]) => MetaEntry[]> = {
    "two windows": twice("window"),
    "two sessions": twice("session"),
    "two cursors of one lane": twice("cursor"),
    "a cursor of lane 4": as("cursor", Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0)),
    "a cursor beyond 2^53": as("cursor", Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0, 1, 0, 0, 0)),
    "a cursor that is no sequence": as("cursor", Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)),
    "a heartbeat of 0": as("heartbeat", new Uint8Array(4)),
    "messages of 0 bytes at most": as("max", new Uint8Array(4)),
  };
  for (const [what, change] of Object.entries(malformed)) {
    it(`refuse ${what}: malformed`, () => {
      assert.throws(() => readHello(sent(withMeta(encodeHello(hello), change))), FrameMalformedError);
      assert.throws(() => readWelcome(sent(withMeta(encodeWelcome(welcome), change))), FrameMalformedError);
    });
  }
  for (const [what, change] of Object.entries(violations)) {
    it(`refuse ${what}: a violation`, () => {
      assert.throws(() => readHello(sent(withMeta(encodeHello(hello), change))), ProtocolViolationError);
      assert.throws(
        () => readWelcome(sent(withMeta(encodeWelcome(welcome), change))),
        ProtocolViolationError,
      );
    });
  }

  it("refuse a Hello whose places in topics are none", () => {
    const refused = (change: (meta: MetaEntry[]) => MetaEntry[], fault: new (...args: never[]) => Error) =>
      assert.throws(() => readHello(sent(withMeta(encodeHello(hello), change))), fault);
    refused(as("topic", new Uint8Array(12)), FrameMalformedError);
    refused(as("topic", new Uint8Array(12 + 257)), FrameMalformedError);
    refused(as("topic", new Uint8Array(13).fill(0xff)), FrameMalformedError);
    refused(twice("topic"), ProtocolViolationError);
    const place = (at: number) => ({ key: "topic", value: Buffer.from(`${"-".repeat(12)}room.${at}`) });
    refused(
      (meta) => [...meta, ...Array.from({ length: 256 }, (_, at) => place(at))],
      ProtocolViolationError,
    );
  });

  it("refuse a Hello of too many early messages, or too large ones, before they are copied", () => {
    const value = new Uint8Array(8 * 1024);
    const asking = (count: number, bytes: number): FrameContents => ({
      ...encodeHello(hello),
      meta: Array.from({ length: count }, () => ({ key: "early", value: value.subarray(0, bytes) })),
    });
    assert.equal(readHello(asking(16, 512)).early?.length, 16);
    for (const [count, bytes] of [
      [17, 1],
      [16, 513],
      [1024, value.length],
    ] as const) {
      const before = process.memoryUsage().arrayBuffers;
      assert.throws(() => readHello(asking(count, bytes)), ProtocolViolationError);
      assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
    }
  });

  it("refuse a Hello that resumes by half", () => {
    for (const key of ["session", "resume"]) {
      assert.throws(() => readHello(withMeta(encodeHello(hello), without(key))), ProtocolViolationError);
    }
    const none = (meta: MetaEntry[]) => without("session")(without("resume")(meta));
    assert.throws(() => readHello(withMeta(encodeHello(hello), none)), ProtocolViolationError);
  });

  it("refuse a Welcome without a session, without a token, or resumed by another byte than 1", () => {
    const frame = encodeWelcome(welcome);
    assert.throws(() => readWelcome(withMeta(frame, without("session"))), FrameMalformedError);
    assert.throws(() => readWelcome(withMeta(frame, without("resume"))), FrameMalformedError);
    assert.throws(() => readWelcome(withMeta(frame, as("resumed", Uint8Array.of(0)))), FrameMalformedError);
    assert.throws(() => readWelcome(withMeta(frame, as("client", Uint8Array.of(0xff)))), FrameMalformedError);
  });

  for (const [what, clientId] of [
    ["of 258 bytes", "é".repeat(129)],
    ["with a newline", "ann\n"],
    ["with a C1 control", "ann\u0085"],
  ] as const) {
    it(`refuse a client id ${what}, of the peer's and of our own`, () => {
      assert.throws(() => readHello({ ...encodeHello(hello), subject: clientId }), ProtocolViolationError);
      assert.throws(() => encodeHello({ ...hello, clientId }), InvalidArgumentError);
      assert.throws(() => encodeWelcome({ ...welcome, clientId }), InvalidArgumentError);
    });
  }

  it("refuse a token above 8 KiB, and flags", () => {
    const token = new Uint8Array(8 * 1024 + 1);
    assert.throws(() => readHello({ ...encodeHello(hello), payload: token }), ProtocolViolationError);
    assert.throws(() => encodeHello({ ...hello, token }), InvalidArgumentError);
    assert.throws(() => readHello({ ...encodeHello(hello), flags: 1 }), ProtocolViolationError);
    assert.throws(() => readWelcome({ ...encodeWelcome(welcome), flags: 0x80 }), ProtocolViolationError);
  });
});

describe("the other frames of a session", () => {
  it("come back as they were written", () => {
    for (const target of [undefined, "ws://other.example:80/"]) {
      const reject = { code: 300, reason: "no room", retryAfterMs: 500, target };
      assert.deepEqual(readReject(sent(encodeReject(reject))), reject);
    }
    assert.throws(
      () => encodeReject({ code: 8, reason: "", retryAfterMs: undefined, target: "there" }),
      InvalidArgumentError,
    );
    const bad = encodeReject({ code: 8, reason: "", retryAfterMs: 5 });
    const meta = [{ key: "target", value: Buffer.from("there") }];
    assert.throws(() => readReject({ ...bad, meta }), ProtocolViolationError);
    const target = { target: "quic://other.example:443", retryAfterMs: 20 };
    assert.deepEqual(readGoAway(sent(encodeGoAway(target))), target);
    const nowhere = { target: undefined, retryAfterMs: undefined };
    assert.deepEqual(readGoAway(sent(encodeGoAway(nowhere))), nowhere);
    fc.assert(
      fc.property(fc.option(fc.string(), { nil: undefined }), u32, sequences, (topic, epoch, oldest) => {
        assert.deepEqual(readGap(sent(encodeGap({ topic, epoch, oldest }))), { topic, epoch, oldest });
      }),
    );
  });

  it("are hot where they come often: Commit and Ack are a head alone", () => {
    for (const frame of [encodeCommit(), encodeAck({ lane: 15, sequence: 0xffff_ffff })]) {
      assert.equal(encodeFrame(frame, frame.payload, frame).length, hotHeadBytes);
    }
    checkCommit(sent(encodeCommit()));
    const ack = sent(encodeAck({ lane: 15, sequence: 0xffff_ffff }));
    checkAck(ack);
    assert.deepEqual([ack.channel, ack.type, ack.ref], [15, 0, 0xffff_ffff]);
    const read = { level: 3, lane: 15, sequence: 0xffff_ffff };
    const confirmation = confirmed(read);
    assert.equal(encodeFrame(confirmation, confirmation.payload, confirmation).length, hotHeadBytes + 8);
    assert.deepEqual(readConfirmation(sent(confirmation)), read);
  });

  it("are refused where they say what they cannot", () => {
    const ack = encodeAck({ lane: 0, sequence: 1 });
    for (const wrong of [
      { channel: 4 },
      { channel: 16 },
      { type: 1 },
      { type: 5 },
      { ref: 0 },
      { flags: 8 },
    ]) {
      assert.throws(() => checkAck({ ...ack, ...wrong }), ProtocolViolationError);
    }
    const rejected = { level: 4, lane: 0, sequence: 1, rejection: { code: 4, reason: "full" } };
    const confirmation = confirmed(rejected);
    assert.deepEqual(readConfirmation(sent(confirmation)), rejected);
    const words = (...numbers: number[]) => ({ payload: new Uint8Array(Uint32Array.from(numbers).buffer) });
    const of = (wrong: object) => () => readConfirmation({ ...confirmation, ...wrong });
    for (const wrong of [{ type: 0 }, { type: 5 }, words(4, 1), words(0, 0), { flags: 8 }]) {
      assert.throws(of(wrong), ProtocolViolationError);
    }
    for (const wrong of [words(0), words(0, 1, 0)]) assert.throws(of(wrong), FrameMalformedError);
    assert.throws(
      () => checkCommit({ ...encodeCommit(), payload: new Uint8Array(1) }),
      ProtocolViolationError,
    );
    const notUrl = as("target", Buffer.from("not a url"));
    const goAway = encodeGoAway({ target: undefined, retryAfterMs: undefined });
    assert.throws(() => readGoAway(withMeta(goAway, notUrl)), ProtocolViolationError);
    assert.throws(() => encodeGoAway({ target: "x", retryAfterMs: undefined }), InvalidArgumentError);
    const gap = encodeGap({ topic: undefined, epoch: 1, oldest: 1 });
    const beyond = as("oldest", Uint8Array.of(0, 0, 0x20, 0, 1, 0, 0, 0));
    assert.throws(() => readGap(withMeta(gap, beyond)), ProtocolViolationError);
    assert.throws(() => readGap(withMeta(gap, without("epoch"))), FrameMalformedError);
  });
});

describe("what reads a session's frames", () => {
  const readers = [
    ...[readHello, readWelcome, readReject, readGoAway, readGap, checkAck, checkCommit],
    ...[readConfirmation, marksOf],
  ];
  const keys = fc.constantFrom(
    ...["session", "resume", "resumed", "cursor", "heartbeat", "window", "max", "client", "target"],
    ...["retry-after", "epoch", "oldest", "meta.", "meta.x", "colour", "id", "ack", "status"],
  );
  const values = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(4, 8, 12, 16).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
  );
  const frames: fc.Arbitrary<FrameContents> = fc.record({
    kind: fc.integer({ min: 0, max: 255 }),
    flags: fc.constantFrom(0, 0, 0, 0x80, 1),
    channel: fc.integer({ min: 0, max: 0xffff }),
    type: u32,
    seq: u32,
    ref: u32,
    payload: fc.uint8Array({ maxLength: 20 }),
    subject: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
    meta: fc.array(fc.record({ key: keys, value: values }), { maxLength: 8 }),
  });

  it("throws nothing but the two errors of a bad peer, whatever comes", () => {
    const typed = (error: unknown) =>
      error instanceof FrameMalformedError || error instanceof ProtocolViolationError;
    let refused = 0;
    fc.assert(
      fc.property(frames, fc.constantFrom(...readers), (frame, read) => {
        try {
          read(frame);
        } catch (error) {
          refused += 1;
          assert.ok(typed(error), `${error}`);
        }
      }),
      { numRuns: 5_000 },
    );
    assert.ok(refused > 0);
  });
});
