import { unref } from "../transport/timer.js";

/** How often it is looked at the clocks. */
const tickMs = 5_000;
/** The wall's clock has gone on by so much more than the one that stands still while a machine sleeps. */
const sleptMs = 10_000;
/** On some machines both go on. No event loop stands still for so long, nor do browsers slow down a page as much. */
const longMs = 75_000;

interface Clocks {
  /** Milliseconds since 1970. */
  wall(): number;
  /** Milliseconds since some moment, as the timers count them. */
  timers(): number;
}

const own: Clocks = { wall: () => Date.now(), timers: () => performance.now() };

/** Tells when a machine has woken: from the gap between two looks at its clocks. One timer serves all who want to know. */
export class WakeWatch {
  readonly #clocks: Clocks;
  readonly #told = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined = undefined;
  #wallMs = 0;
  #timersMs = 0;

  constructor(clocks: Clocks = own) {
    this.#clocks = clocks;
  }

  /** @returns ends it. */
  add(woken: () => void): () => void {
    this.#told.add(woken);
    if (this.#timer === undefined) {
      this.#look();
      this.#timer = unref(setInterval(() => this.check(), tickMs));
    }
    return () => {
      this.#told.delete(woken);
      if (this.#told.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Looks at the clocks; called by the timer. */
  check(): void {
    const { wallMs, timersMs } = this.#look();
    const hasSlept = wallMs - timersMs > sleptMs || wallMs > longMs;
    if (hasSlept) for (const woken of [...this.#told]) woken();
  }

  /** @returns what has passed since the last time. */
  #look(): { readonly wallMs: number; readonly timersMs: number } {
    const wall = this.#clocks.wall();
    const timers = this.#clocks.timers();
    const passed = { wallMs: wall - this.#wallMs, timersMs: timers - this.#timersMs };
    this.#wallMs = wall;
    this.#timersMs = timers;
    return passed;
  }
}

const shared = new WakeWatch();

/** Calls `changed` when the machine has woken. @returns ends it. */
export function watchWake(changed: () => void): () => void {
  return shared.add(changed);
}

/** The same, and when a page's browser is online again. */
export function watchPage(changed: () => void): () => void {
  const end = watchWake(changed);
  const page = globalThis as unknown as Partial<EventTarget>;
  page.addEventListener?.("online", changed);
  return () => {
    end();
    page.removeEventListener?.("online", changed);
  };
}
