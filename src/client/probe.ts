import { contentsOf } from "../delivery/contents.js";
import { takeRest } from "../delivery/rest.js";
import type { Clock } from "../dispatch/clock.js";
import { ConnectionLostError } from "../errors.js";
import { type FrameContents, Kind } from "../frame/frame.js";
import { sendFrame } from "../frame/unit.js";
import type { Complete } from "../options/complete.js";
import { readOptions } from "../options/read.js";
import { integer, number, object, withDefault } from "../options/schema.js";
import type { CloseInfo } from "../transport/close.js";
import { abortedError, throwIfAborted } from "../transport/wait.js";
import type { DialEvents, Dialled } from "./dial.js";
import { type ProbedUrl, type ProbeFigures, type ProbeWeights, rank } from "./probe_score.js";

/** What of transports is measured, and how they are compared by it. */
export interface ProbeOptions {
  /** Test messages of each, one after the other, 1..1,000; 10 by default. */
  readonly messages?: number | undefined;
  /** What is sent at once to see how fast it is taken, 0..16 MiB; 256 KiB by default, and 0 does without. */
  readonly throughputBytes?: number | undefined;
  /** How long all of it may take, 1..60,000; 5,000 by default. What is not measured by then is not known. */
  readonly timeoutMs?: number | undefined;
  readonly weights?: ProbeWeights | undefined;
}

/** What a probe has found. */
export interface ProbeResult {
  /** All URLs with their figures, the best first. */
  readonly urls: readonly ProbedUrl[];
  readonly elapsedMs: number;
}

const weight = (of: number) => withDefault(number(0, 1_000), of);

/** How {@link ProbeOptions} are read. */
export const probeOptions = object({
  messages: withDefault(integer(1, 1_000), 10),
  throughputBytes: withDefault(integer(0, 16 * 1_024 * 1_024), 256 * 1_024),
  timeoutMs: withDefault(integer(1, 60_000), 5_000),
  weights: withDefault(
    object({
      connect: weight(1),
      message: weight(3),
      throughput: weight(1),
      success: weight(5),
    } satisfies Record<keyof ProbeWeights, unknown>),
    { connect: 1, message: 3, throughput: 1, success: 5 },
  ),
} satisfies Record<keyof ProbeOptions, unknown>);

export interface ReadProbeOptions extends Complete<ProbeOptions> {
  readonly weights: Complete<ProbeWeights>;
}

/** @param probe true, or options. @throws InvalidArgumentError */
export function readProbe(probe: true | ProbeOptions): ReadProbeOptions {
  return readOptions(probeOptions, probe === true ? {} : probe, "probe", "probe.");
}

/** What a probe needs: how it dials, and whose time it is. */
export interface ProbeTools {
  /** As `race` has it. */
  readonly dial: (url: string, signal: AbortSignal) => Promise<Dialled>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Who has no connection is waited for this many times as long as the first has taken, */
const connectPatience = 4;
/** and for so long at the least. */
const leastPatienceMs = 1_000;
/** What is sent to see how fast it is taken goes in pieces of this size. */
const pieceBytes = 16 * 1_024;
const nothing = new Uint8Array(0);

/**
 * Measures URLs beside each other, on connections that are welcomed and never committed: so no session begins, but the
 * server's `authenticate` is asked once for each. Latencies are measured together; what a connection takes in a while,
 * one after the other.
 * @throws AbortedError when the signal fires; what fails of a URL is in its figures
 */
export async function probeUrls(
  urls: readonly string[],
  { messages, throughputBytes, timeoutMs, weights }: ReadProbeOptions,
  tools: ProbeTools,
): Promise<ProbeResult> {
  const { clock, signal } = tools;
  throwIfAborted("probing", signal);
  const beganAtMs = clock.now();
  const courses = urls.map((url) => new Course(url, tools));
  const stop = () => {
    for (const course of courses) course.stop();
  };
  const timers = [clock.at(beganAtMs + timeoutMs, stop)];
  const half = new Promise<void>((resolve) => timers.push(clock.at(beganAtMs + timeoutMs / 2, resolve)));
  const onConnected = () => {
    const patienceMs = Math.max(leastPatienceMs, connectPatience * (clock.now() - beganAtMs));
    const giveUp = () => {
      for (const course of courses) if (course.connectMs === undefined) course.stop();
    };
    timers.push(clock.at(clock.now() + patienceMs, giveUp));
  };
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const all = Promise.all(courses.map((course) => course.run(messages, onConnected)));
    // One that does not answer is not to cost the others their measurement.
    for (const ready of [Promise.race([all, half]), all]) {
      await ready;
      for (const course of courses) {
        const toDo = courses.filter((each) => each.isReady).length;
        const leftMs = beganAtMs + timeoutMs - clock.now();
        if (course.isReady) await course.fill(throughputBytes, leftMs / toDo);
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    for (const cancel of timers) cancel();
    stop();
  }
  if (signal?.aborted) throw abortedError("probing", signal);
  const figures = courses.map((course) => course.figures(messages));
  return { urls: rank(figures, weights), elapsedMs: clock.now() - beganAtMs };
}

/** One URL on its way through a probe. */
class Course implements DialEvents {
  readonly #url: string;
  readonly #tools: ProbeTools;
  readonly #controller = new AbortController();
  #dialled: Dialled | undefined = undefined;
  connectMs: number | undefined = undefined;
  readonly #roundTripsMs: number[] = [];
  #asked = 0;
  #bytesPerSecond: number | undefined = undefined;
  #error: unknown = undefined;
  #isOver = false;
  /** Its messages are done, and it is there to be filled. */
  isReady = false;
  #ping = contentsOf(Kind.Ping, {});
  #toSend = 0;
  #awaited = 0;
  #settle: (() => void) | undefined = undefined;

  constructor(url: string, tools: ProbeTools) {
    this.#url = url;
    this.#tools = tools;
  }

  /** Connects, and sends test messages, one after the other. */
  async run(messages: number, onConnected: () => void): Promise<void> {
    const { dial, clock } = this.#tools;
    const beganAtMs = clock.now();
    try {
      this.#dialled = await dial(this.#url, this.#controller.signal);
    } catch (error) {
      this.#error = error;
      return;
    }
    this.connectMs = clock.now() - beganAtMs;
    if (this.#isOver) this.#hangUp();
    else onConnected();
    this.#dialled.start(this);
    for (let i = 0; i < messages && !this.#isOver; i += 1) {
      const sentAtMs = clock.now();
      this.#asked += 1;
      if ((await this.#exchange(1, nothing)) === 1) this.#roundTripsMs.push(clock.now() - sentAtMs);
    }
    this.isReady = !this.#isOver;
  }

  /** Sends so much at once, and looks how fast it is answered, for so long at the most. */
  async fill(bytes: number, withinMs: number): Promise<void> {
    this.isReady = false;
    const { clock } = this.#tools;
    const piece = new Uint8Array(
      Math.min(pieceBytes, bytes, this.#dialled?.welcome.maxMessageBytes ?? bytes),
    );
    if (piece.length === 0 || withinMs <= 0) return;
    const beganAtMs = clock.now();
    const cancel = clock.at(beganAtMs + withinMs, () => this.#settle?.());
    const answered = await this.#exchange(Math.ceil(bytes / piece.length), piece);
    cancel();
    const tookMs = Math.max(clock.now() - beganAtMs, 0.001);
    if (answered > 0) this.#bytesPerSecond = (1_000 * answered * piece.length) / tookMs;
  }

  /** @returns how many of so many pings were answered when all were, or it is over. */
  async #exchange(pings: number, payload: Uint8Array): Promise<number> {
    this.#ping = contentsOf(Kind.Ping, { payload });
    this.#toSend = pings;
    this.#awaited = 0;
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      this.#pump();
    });
    this.#settle = undefined;
    return pings - this.#toSend - this.#awaited;
  }

  #pump(): void {
    const { connection, codec } = this.#dialled!;
    let result = "sent";
    while (this.#toSend > 0 && result === "sent" && connection.state === "open") {
      result = sendFrame(connection, codec, this.#ping);
      if (result === "dropped") return;
      this.#toSend -= 1;
      this.#awaited += 1;
    }
    const isDone = this.#toSend === 0 && this.#awaited === 0;
    if (isDone || this.#isOver || connection.state !== "open") this.#settle?.();
  }

  /** Its time is over. */
  stop(): void {
    this.#isOver = true;
    this.#controller.abort();
    this.#hangUp();
    this.#settle?.();
  }

  #hangUp(): void {
    this.#dialled?.connection.close({ graceful: false });
  }

  figures(messages: number): ProbeFigures {
    const { connectMs } = this;
    const inOrder = [...this.#roundTripsMs].sort((a, b) => a - b);
    const answered = inOrder.length;
    // What was still on its way when time was over is not lost; what a broken connection was to carry is.
    const asked = this.#error === undefined ? this.#asked : messages;
    return {
      url: this.#url,
      connectMs,
      messageMs: inOrder[answered >> 1],
      bytesPerSecond: this.#bytesPerSecond,
      successRate: asked === 0 ? 0 : answered / asked,
      error: this.#error,
    };
  }

  take(frame: Readonly<FrameContents>): void {
    if (frame.kind === Kind.Pong && this.#awaited > 0) {
      this.#awaited -= 1;
      this.#pump();
    }
    takeRest(this.#dialled!.connection, frame);
  }

  drain(): void {
    if (this.#settle !== undefined) this.#pump();
  }

  lose(_dialled: Dialled, info: CloseInfo): void {
    if (!this.#isOver)
      this.#error = info.error ?? new ConnectionLostError(`${this.#url} ended the connection`);
    this.#isOver = true;
    this.isReady = false;
    this.#settle?.();
  }
}
