import type { Setting, Step } from "./step.js";

const narrow: Setting = {
  async: false,
  windowBytes: 4_096,
  replayBytes: 4_096,
  history: 0,
  pattern: "news.today",
  reconnects: false,
};
const moves: Step = { do: "resume", who: 0, over: 0, waits: false };
const unordered: Step = {
  ...{ do: "send", who: 0, way: "up", delivery: "unordered", priority: "normal" },
  ...{ key: 0, count: 5, bytes: 1_297, settles: false },
};

/** Histories in which something was not as promised, and each what. They are tried first. */
export const found: [Setting, Step[]][] = [
  // An acknowledgement went to the connection that was left, and none to the next.
  [narrow, [unordered, moves]],
  // A publication was on its way, and nobody said that it was lost.
  [narrow, [moves, { do: "publish", count: 1 }]],
  // A gap took a client's place back to before what had come, which came twice then.
  [{ ...narrow, history: 3 }, [moves, { do: "publish", count: 4 }]],
  // What was sent again on another lane came before the commit, which was a breach of the protocol, for ever.
  [
    narrow,
    [
      { ...unordered, delivery: "ordered", priority: "high", count: 1 },
      { do: "abandon", who: 0, way: "down" },
    ],
  ],
  // What overtook the commit was counted as more than its sender had been allowed, each time that it came again.
  [
    narrow,
    [
      { do: "abandon", who: 0, way: "up" },
      { ...unordered, delivery: "ordered", priority: "control", count: 6, bytes: 360 },
    ],
  ],
];
