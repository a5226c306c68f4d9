import type { Clock } from "../dispatch/clock.js";
import type { Experience } from "./experience.js";
import type { Moment, Totals } from "./journal.js";

/** Makes an experience: at once, or, in a page, when the code for it is loaded. */
export type ExperienceSource = () => Experience | Promise<Experience>;

/** So much is kept where that code cannot be loaded; what comes behind it is forgotten. */
const maxLessons = 1_000;

/**
 * What happens to a session's connections, told to its {@link Experience}. In a page that is not there before the session
 * is open, so that connecting waits for nothing more: what happens until then is kept, with its moment.
 */
export class Learning {
  readonly #source: ExperienceSource;
  readonly #clock: Clock;
  readonly #totals: () => Totals;
  readonly #lessons: ((experience: Experience) => void)[] = [];
  #experience: Experience | undefined = undefined;

  /** @param totals what the session has done until now. */
  constructor(source: ExperienceSource, clock: Clock, totals: () => Totals) {
    this.#source = source;
    this.#clock = clock;
    this.#totals = totals;
  }

  /** When it is, and what is done by now. */
  now(): Moment {
    return { nowMs: this.#clock.now(), dateMs: Date.now(), totals: this.#totals() };
  }

  /** Tells what happens now. */
  tell(lesson: (experience: Experience, now: Moment) => void): void {
    const now = this.now();
    if (this.#experience !== undefined) lesson(this.#experience, now);
    else if (this.#lessons.length < maxLessons) this.#lessons.push((experience) => lesson(experience, now));
  }

  /** How long a connection may be silent on which `agreedMs` are agreed. */
  everyMs(agreedMs: number): number {
    return this.#experience?.pace.everyMs(agreedMs, this.#clock.now()) ?? agreedMs;
  }

  /** The session is open. Where what is needed from now on cannot be loaded, that is tried again the next time. */
  begin(): void {
    this.experience().catch(() => {});
  }

  /** @throws what the loader says */
  async experience(): Promise<Experience> {
    const made = this.#experience ?? (await this.#source());
    this.#experience ??= made; // two may have waited
    for (const lesson of this.#lessons.splice(0)) lesson(this.#experience);
    return this.#experience;
  }
}
