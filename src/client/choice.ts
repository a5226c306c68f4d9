import type { Clock } from "../dispatch/clock.js";
import type { Complete } from "../options/complete.js";
import type { Flight } from "./carried.js";
import { checkEarlyData } from "./early_data.js";
import { EarlyFlight, type Speaking } from "./early_flight.js";
import { NetworkMemory, type NetworkMemoryOptions } from "./network_memory.js";
import type { ChoiceReading, ReadClientOptions } from "./options.js";
import { probeUrls, readProbe } from "./probe.js";
import { RouteWatch, type Watched } from "./route_watch.js";
import { type AutoSwitchOptions, readAutoSwitch } from "./switch_policy.js";

/** What a client has that can choose between transports. A page cannot, and pays for each kilobyte: it does without. */
export interface Choice extends ChoiceReading {
  readonly probe: typeof probeUrls;
  watch(options: Complete<AutoSwitchOptions>, clock: Clock, watched: Watched): RouteWatch;
  memory(options: NetworkMemoryOptions): NetworkMemory;
  /** @throws InvalidArgumentError where they cannot be kept */
  check(options: ReadClientOptions, urls: readonly string[]): void;
  /** What a session says with a hello that is early data. */
  flight(session: Speaking): Flight;
}

export const choice: Choice = {
  readProbe,
  readAutoSwitch,
  probe: probeUrls,
  watch: (options, clock, watched) => new RouteWatch(options, clock, watched),
  memory: (options) => new NetworkMemory(options),
  check: checkEarlyData,
  flight: (session) => new EarlyFlight(session),
};
