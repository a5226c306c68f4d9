import type { Complete } from "../options/complete.js";
import { number, object, optional } from "../options/schema.js";

/** The way that bytes go. */
export type Direction = "toServer" | "toClient";

/** What holds for one direction alone, and comes before what holds for both. */
export interface Ways<Each> {
  readonly toServer?: Each | undefined;
  readonly toClient?: Each | undefined;
}

/** How long something may be on its way. */
export const delayMs = optional(number(0, 600_000));

/** How faults are read that may be named for both directions, and for each. */
export function inWays<Entries extends Parameters<typeof object>[0]>(each: Entries) {
  return { ...each, toServer: optional(object(each)), toClient: optional(object(each)) };
}

/** Those of a change that it names for one direction, and no others. */
export function changesOf<Each extends object>(
  change: Each & Ways<Each>,
  names: readonly (keyof Each)[],
  direction: Direction,
): Partial<Complete<Each>> {
  const named: Partial<Each> = {};
  for (const name of names) {
    const value = change[direction]?.[name] ?? change[name];
    if (value !== undefined) named[name] = value;
  }
  return named as Partial<Complete<Each>>;
}
