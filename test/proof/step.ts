import fc from "fast-check";
import type { Delivery, Priority } from "#internal/delivery/lane.js";

/** From a client to the server, or the other way. */
export type Way = "up" | "down";

/** Something that befalls a server and its clients. */
export type Step =
  | {
      readonly do: "send";
      readonly who: number;
      readonly way: Way;
      readonly delivery: Delivery;
      readonly priority: Priority;
      readonly key: number;
      readonly count: number;
      readonly bytes: number;
      /** The sender wants to know what becomes of it. */
      readonly settles: boolean;
    }
  | { readonly do: "ask"; readonly who: number; readonly way: Way; readonly bytes: number }
  | { readonly do: "publish"; readonly count: number }
  /** The client, or the server, cuts its connection off. */
  | { readonly do: "abandon"; readonly who: number; readonly way: Way }
  /** The network does, after so many more bytes: in the middle of a frame, mostly. */
  | { readonly do: "cut"; readonly who: number; readonly way: Way; readonly afterBytes: number }
  /** Nothing gets through, one way or both, until the roads are mended. */
  | { readonly do: "block"; readonly who: number; readonly way?: Way | undefined }
  /** The same of UDP alone. */
  | { readonly do: "block UDP"; readonly who: number }
  /** A NAT forgets the client. */
  | { readonly do: "rebind"; readonly who: number }
  /** Datagrams are lost, come out of order and twice; streams come by fits and starts. */
  | { readonly do: "spoil"; readonly who: number }
  | { readonly do: "mend"; readonly who: number }
  /** The client's connection is lost, and it knows; or it has one, and the server, too. */
  | { readonly do: "await"; readonly who: number; readonly what: "lost" | "connected" }
  /** The client goes on over another connection, whether it has lost the one before or not. */
  | { readonly do: "resume"; readonly who: number; readonly over: number; readonly waits: boolean }
  /** The client ends its session, and begins another. */
  | { readonly do: "leave"; readonly who: number; readonly over: number }
  | { readonly do: "restart"; readonly graceful: boolean; readonly meanwhile: number }
  | { readonly do: "wait"; readonly turns: number; readonly ms: number };

/** What a run of the proof begins with. */
export interface Setting {
  /** The server's handlers are asynchronous, and so is what is acknowledged. */
  readonly async: boolean;
  readonly windowBytes: number;
  readonly replayBytes: number;
  /** How much of a topic is kept for those who miss it. */
  readonly history: number;
  /** By which clients have it. */
  readonly pattern: string;
  /** Clients come back by themselves; else a step takes them back. */
  readonly reconnects: boolean;
}

const who = fc.nat(1);
const way = fc.constantFrom<Way>("up", "down");
const over = fc.nat(15);
const bytes = fc.oneof(
  { weight: 4, arbitrary: fc.nat(100) },
  { weight: 2, arbitrary: fc.nat(1_500) },
  { weight: 1, arbitrary: fc.nat(6_000) },
);

export const anySend = fc.record({
  do: fc.constant("send" as const),
  ...{ who, way, bytes },
  delivery: fc.constantFrom<Delivery>("ordered", "ordered", "unordered", "latest", "unreliable"),
  priority: fc.constantFrom<Priority>("normal", "normal", "control", "high", "bulk"),
  key: fc.nat(1),
  count: fc.integer({ min: 1, max: 12 }),
  settles: fc.boolean(),
});

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: anySend },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("ask" as const), who, way, bytes }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("abandon" as const), who, way }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("cut" as const), who, way, afterBytes: fc.nat(4_000) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("resume" as const), who, over, waits: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), who, over }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("restart" as const),
      graceful: fc.boolean(),
      meanwhile: fc.nat(3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      turns: fc.nat(5),
      ms: fc.constantFrom(0, 0, 60),
    }),
  },
);

export const anySetting: fc.Arbitrary<Setting> = fc.record({
  async: fc.boolean(),
  windowBytes: fc.constantFrom(4_096, 16_384, 1_048_576),
  replayBytes: fc.constantFrom(4_096, 1_048_576),
  history: fc.constantFrom(0, 3, 1_000),
  pattern: fc.constantFrom("news.today", "news.*"),
  reconnects: fc.constant(false),
});
