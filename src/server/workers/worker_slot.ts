/**
 * - `starting`: it runs the module, and its server does not listen yet;
 * - `listening`;
 * - `waiting`: it has ended, and another is begun in a moment;
 * - `closing`, `closed`: its group ends.
 */
export type WorkerState = "starting" | "listening" | "waiting" | "closing" | "closed";

/** One thread, or process, from its beginning to its end. */
export interface SlotRun {
  /** The URLs of its server. Rejects when it has ended without. */
  readonly listening: Promise<readonly string[]>;
  /** Resolves when it has ended, with why: what it threw, or undefined. */
  readonly ended: Promise<unknown>;
  /** Tells it to close its server, and waits until it has ended; for as long as that may take, and some. */
  close(options: object, deadlineMs: number): Promise<void>;
  /** This process ends, and it before. @param ended its first word is counted up when it does. */
  endWithProcess(ended: Int32Array): void;
}

/** What became of what ran in a slot. */
export type SlotEvent =
  /** It has ended unasked, and is replaced; or it was to end, and something went wrong at that. */
  | { readonly type: "Exit"; readonly cause: unknown; readonly isReplaced: boolean }
  /** Another has taken its place, and listens. */
  | { readonly type: "Restart" }
  /** It ended right after its beginning several times, and the next one waits. */
  | { readonly type: "Failing"; readonly cause: unknown; readonly retryMs: number };

/** What a slot has, and whom it tells. */
export interface SlotOwner<Run extends SlotRun> {
  /** The next one is to be begun. */
  begin(slot: WorkerSlot<Run>): Run;
  told(slot: WorkerSlot<Run>, event: SlotEvent): void;
}

/** A thread that ends within this time of its beginning has ended at once. */
const quickEndMs = 10_000;
const patientEnds = 3;
const firstDelayMs = 500;
const maxDelayMs = 5_000;

/** How long to wait with the next thread when so many, one after the other, have ended at once. */
export function restartDelayMs(quickEnds: number): number {
  if (quickEnds < patientEnds) return 0;
  return Math.min(maxDelayMs, firstDelayMs * 2 ** (quickEnds - patientEnds));
}

/** The place of one thread, or process, of a group: where one ends unasked, another takes its place. */
export class WorkerSlot<Run extends SlotRun = SlotRun> {
  /** From 1 on. */
  readonly id: number;
  readonly #owner: SlotOwner<Run>;
  #state: WorkerState = "waiting";
  #run: Run | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #quickEnds = 0;
  restarts = 0;

  constructor(id: number, owner: SlotOwner<Run>) {
    this.id = id;
    this.#owner = owner;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** The one that runs, or the last one. */
  get run(): Run | undefined {
    return this.#run;
  }

  /** Begins the first thread. @returns its server's URLs. @throws WorkerFailedError */
  async start(): Promise<readonly string[]> {
    const run = this.#begin();
    const urls = await run.listening;
    if (this.#state === "starting") this.#state = "listening";
    void run.ended.then((cause) => this.#onEnd(cause));
    return urls;
  }

  /** Ends it for good. */
  async close(options: object, deadlineMs: number): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#state === "closed") return;
    this.#state = "closing";
    await this.#run?.close(options, deadlineMs);
    this.#state = "closed";
  }

  /** See {@link SlotRun.endWithProcess}. @returns whether there is a thread. */
  endWithProcess(ended: Int32Array): boolean {
    const lives = this.#state === "starting" || this.#state === "listening" || this.#state === "closing";
    if (lives) this.#run?.endWithProcess(ended);
    return lives;
  }

  #begin(): Run {
    this.#state = "starting";
    this.#startedAt = performance.now();
    this.#run = this.#owner.begin(this);
    return this.#run;
  }

  #onEnd(cause: unknown): void {
    if (this.#state === "closing" || this.#state === "closed") {
      if (cause !== undefined) this.#owner.told(this, { type: "Exit", cause, isReplaced: false });
      return;
    }
    this.#state = "waiting";
    const isQuick = performance.now() - this.#startedAt < quickEndMs;
    this.#quickEnds = isQuick ? this.#quickEnds + 1 : 0;
    const retryMs = restartDelayMs(this.#quickEnds);
    this.#timer = setTimeout(() => this.#restart(), retryMs);
    this.#owner.told(this, { type: "Exit", cause, isReplaced: true });
    if (retryMs > 0) this.#owner.told(this, { type: "Failing", cause, retryMs });
  }

  #restart(): void {
    let run: Run;
    try {
      run = this.#begin();
    } catch (cause) {
      this.#onEnd(cause); // there may be room for another later
      return;
    }
    this.restarts += 1;
    run.listening.then(
      () => {
        if (this.#state !== "starting") return;
        this.#state = "listening";
        this.#owner.told(this, { type: "Restart" });
      },
      () => {}, // it has ended, which is told below
    );
    void run.ended.then(async (cause) =>
      this.#onEnd(
        cause ??
          (await run.listening.then(
            () => undefined,
            (failure: unknown) => failure,
          )),
      ),
    );
  }
}
