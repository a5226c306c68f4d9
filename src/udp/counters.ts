/** What became of datagrams. Each one received is counted once more: as taken, or by why it was not. */
export interface UdpCounters {
  readonly received: number;
  /** Genuine, fresh, seen for the first time, and of a kind that is looked for here. */
  readonly taken: number;
  /** Not as `docs/wire.md` has it. */
  readonly malformed: number;
  /** Of a time outside of the window: delayed, recorded, or by a clock that is wrong. */
  readonly late: number;
  /** Signed with another secret, or changed on the way. */
  readonly forged: number;
  /** One of this side's own, come back. */
  readonly own: number;
  /** Seen before: sent again by somebody, or come by two ways. */
  readonly replayed: number;
  /** Genuine, and not for this: a query where messages are awaited, an answer to what others asked. */
  readonly ignored: number;
  /** No room or time for it: more came in a second than are looked at, or the memory of nonces was full. */
  readonly dropped: number;
  /** Taken, and then pushed out of the queue by newer ones before it was read. */
  readonly overtaken: number;
  /** Queries taken and not answered: too short for any answer, or one too many of a second. */
  readonly unanswered: number;
  readonly sent: number;
  /** The operating system would not send it. */
  readonly unsent: number;
}

export type Counters = { -readonly [Name in keyof UdpCounters]: number };

export function noCounters(): Counters {
  return {
    received: 0,
    taken: 0,
    malformed: 0,
    late: 0,
    forged: 0,
    own: 0,
    replayed: 0,
    ignored: 0,
    dropped: 0,
    overtaken: 0,
    unanswered: 0,
    sent: 0,
    unsent: 0,
  };
}
