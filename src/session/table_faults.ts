/** What was found wrong with a table, and mended, since it was made. */
export interface TableFaults {
  /** Words found that no operation writes. */
  readonly damaged: number;
  /** Slots taken out of use for that. */
  readonly quarantined: number;
  /** Slots that were taken back from environments that had ended. */
  readonly recovered: number;
}
