import type { Setting, Step, Way } from "./step.js";

/** How a message is sent, of what is promised to come. */
export const classes = ["ordered", "unordered", "acked", "request"] as const;
export type Class = (typeof classes)[number];

/** What befalls sessions in a row of the matrix, while both sides go on sending. */
export interface Row {
  readonly name: string;
  /** Schemes at which it is one; what befalls UDP leaves others alone, and their row shows that. */
  readonly listen: (scheme: Scheme) => readonly Scheme[];
  readonly steps: (send: readonly Step[], scheme: Scheme) => readonly Step[];
  /** Whether the session has had more than one connection then. */
  readonly reconnects: (scheme: Scheme) => boolean;
}

export const schemes = ["quic", "ws", "tcp"] as const;
export type Scheme = (typeof schemes)[number];

/** Clients that come back by themselves, and a server whose window is full now and then. */
export const setting: Setting = {
  async: true,
  windowBytes: 4_096,
  replayBytes: 1_048_576,
  history: 0,
  pattern: "news.*",
  reconnects: true,
};

const who = 0;
const alone = (scheme: Scheme): readonly Scheme[] => [scheme];
const always = (): boolean => true;
const never = (): boolean => false;
const lost: Step = { do: "await", who, what: "lost" };
const connected: Step = { do: "await", who, what: "connected" };
const mend: Step = { do: "mend", who };
const hole: Step = { do: "block", who };
const oneWayHole: Step = { do: "block", who, way: "down" };
const forget: Step = { do: "rebind", who };
const noUdp: Step = { do: "block UDP", who };
const turn: Step = { do: "wait", turns: 5, ms: 0 };

/** So many of a class, both ways. */
export function burst(of: Class, count = 6): readonly Step[] {
  const ways: readonly Way[] = ["up", "down"];
  return ways.flatMap((way): readonly Step[] => {
    if (of === "request") {
      return Array.from({ length: count }, (_, at) => ({ do: "ask", who, way, bytes: 150 * at }));
    }
    const delivery = of === "unordered" ? "unordered" : "ordered";
    return [
      {
        ...{ do: "send", who, way, delivery, priority: "normal", key: 0 },
        ...{ count, bytes: 400, settles: of === "acked" },
      },
    ];
  });
}

/** Who cuts, and behind which byte: nobody resets what goes over UDP, so there an end drops its connection. */
const cut = (scheme: Scheme, way: Way, afterBytes: number): Step =>
  scheme === "quic" ? { do: "abandon", who, way } : { do: "cut", who, way, afterBytes };

/** The session moves while both sides speak: what was under way on the connection before comes on both. */
const move: Step = { do: "resume", who, over: 0, waits: false };

export const rows: readonly Row[] = [
  {
    name: "cut in what goes up",
    listen: alone,
    reconnects: always,
    steps: (send, scheme) => [...send, cut(scheme, "up", 700), ...send, lost, ...send, connected, ...send],
  },
  {
    name: "cut in what comes down",
    listen: alone,
    reconnects: always,
    steps: (send, scheme) => [...send, cut(scheme, "down", 900), ...send, lost, ...send, connected, ...send],
  },
  {
    name: "move by hand",
    listen: alone,
    reconnects: always,
    steps: (send) => [...send, move, ...send, turn, move, ...send, turn, ...send, move, ...send, connected],
  },
  {
    name: "black hole, both ways and one way",
    listen: alone,
    reconnects: always,
    steps: (send) => [
      ...[...send, hole, ...send, lost, ...send, mend, connected, ...send],
      ...[oneWayHole, ...send, lost, ...send, mend, connected, ...send],
    ],
  },
  {
    name: "server that is begun anew",
    listen: alone,
    reconnects: always,
    steps: (send) => [...send, { do: "restart", graceful: false, meanwhile: 2 }, ...send, connected, ...send],
  },
  {
    name: "graceful end of the server",
    listen: alone,
    reconnects: always,
    steps: (send) => [...send, { do: "restart", graceful: true, meanwhile: 2 }, ...send, connected, ...send],
  },
  {
    // QUIC moves the connection; over TCP the NAT resets it, and the session moves to another.
    name: "NAT that forgets",
    listen: alone,
    reconnects: (scheme) => scheme !== "quic",
    steps: (send, scheme) => [
      ...[...send, forget, ...send, ...(scheme === "quic" ? [] : [lost]), connected, ...send],
    ],
  },
  {
    // A session on QUIC goes on over WebSocket; one that has never been on UDP is left alone.
    name: "UDP that is blocked in the middle",
    listen: (scheme) => (scheme === "quic" ? ["quic", "ws"] : [scheme]),
    reconnects: (scheme) => scheme === "quic",
    steps: (send, scheme) => [
      ...[...send, noUdp, ...send, ...(scheme === "quic" ? [lost] : [turn])],
      ...[...send, connected, ...send],
    ],
  },
  {
    // 5 % lost, 20 % out of order, 1 % twice; of TCP, which repairs that, jitter of 20 ms on a slow line.
    name: "loss and reordering",
    listen: alone,
    reconnects: never,
    steps: (send) => [{ do: "spoil", who }, ...send, turn, ...send, turn, ...send, turn, ...send],
  },
];
