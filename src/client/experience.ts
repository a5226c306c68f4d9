import { Journal, type Moment } from "./journal.js";
import { Pace } from "./pace.js";
import { type SessionCounts, type SessionStatistics, statisticsOf } from "./session_statistics.js";

/** What a session has learned of its connections. A page loads this when its session is open: see `Learning`. */
export class Experience {
  readonly journal = new Journal();
  readonly pace = new Pace();

  /**
   * See `ClientSession.statistics`.
   * @param roundTripMs of the connection that there is, as far as it is known.
   */
  async statistics(
    counts: SessionCounts,
    heartbeats: number,
    roundTripMs: number | undefined,
    now: () => Moment,
  ): Promise<SessionStatistics> {
    const transports = await this.journal.transports(roundTripMs, now);
    return statisticsOf(counts, {
      ...{ heartbeats, roundTripMs, transports },
      switches: [...this.journal.switches],
    });
  }
}
