/**
 * What environments of a group say to each other: the kinds of records in their inboxes. Those of a part of the server
 * that has a file of its own are numbered there, from the number here on.
 */
export const PeerKind = {
  /** A message for a session: a frame as its client gets it. */
  message: 1,
  /** 32 to 63. */
  relay: 32,
  /** 64 to 95. */
  homes: 64,
} as const;
