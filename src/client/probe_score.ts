import type { Complete } from "../options/complete.js";

/** How much each figure counts where transports are compared, 0..1,000; how they relate is what matters. */
export interface ProbeWeights {
  /** Of `connectMs`; 1 by default. */
  readonly connect?: number | undefined;
  /** Of `messageMs`; 3 by default. */
  readonly message?: number | undefined;
  /** Of `bytesPerSecond`; 1 by default. */
  readonly throughput?: number | undefined;
  /** Of `successRate`; 5 by default. */
  readonly success?: number | undefined;
}

/** What was measured of one URL. */
export interface ProbeFigures {
  readonly url: string;
  /** From nothing to a welcome; undefined where there was none. */
  readonly connectMs: number | undefined;
  /** The median of how long an answer took; undefined where none came. */
  readonly messageMs: number | undefined;
  /** What the server took in; undefined where nothing was answered, or no time was left to measure it. */
  readonly bytesPerSecond: number | undefined;
  /** How much of what was asked was answered, 0..1: test messages, or 0 where there was no connection. */
  readonly successRate: number;
  /** Why it ended too early; undefined where it did not. */
  readonly error: unknown;
}

/** A URL with what it is worth beside the others. */
export interface ProbedUrl extends ProbeFigures {
  /** 0..1: 1 is the best in everything that counts. */
  readonly score: number;
}

/**
 * Compares what was measured: each figure by how near it comes to the best, and all by their weights.
 * @returns the best first, and equals as they were; who got no connection has 0.
 */
export function rank(
  figures: readonly ProbeFigures[],
  { connect, message, throughput, success }: Complete<ProbeWeights>,
): readonly ProbedUrl[] {
  const least = (values: readonly (number | undefined)[]) =>
    Math.min(...values.map((value) => value ?? Number.POSITIVE_INFINITY));
  const bestConnectMs = least(figures.map((each) => each.connectMs));
  const bestMessageMs = least(figures.map((each) => each.messageMs));
  const bestRate = Math.max(...figures.map((each) => each.bytesPerSecond ?? 0));
  const all = connect + message + throughput + success;
  const scoreOf = (each: ProbeFigures) =>
    (connect * share(bestConnectMs, each.connectMs) +
      message * share(bestMessageMs, each.messageMs) +
      throughput * share(each.bytesPerSecond ?? 0, bestRate) +
      success * each.successRate) /
    all;
  return figures
    .map((each) => ({ ...each, score: each.connectMs === undefined || all === 0 ? 0 : scoreOf(each) }))
    .sort((a, b) => b.score - a.score);
}

/** How much of the larger the smaller is; nothing, where there is no larger. */
function share(smaller: number, larger: number | undefined): number {
  if (larger === undefined) return 0;
  return larger > 0 ? smaller / larger : 1;
}
