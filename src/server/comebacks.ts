/** How a session was taken up again, or may be: most keep their first connection to their end, and have none of this. */
export class Comebacks {
  /** Of the token that its client is to show next. */
  tokenCounter = 1;
  /** Of the token by which it was taken up the last time. */
  shownCounter = 0;
  /** How often it was promised to a client. */
  welcomes = 0;
  /** Of the welcomes, the last that was committed to. */
  committed = 0;
  /** Of the clock: since when it has no connection. */
  detachedAt = 0;
  /** How often it was taken up. */
  count = 0;
}
