/**
 * What environments of a group say to each other: the kinds of records in their inboxes. Those of a part of the server
 * that has a file of its own are numbered there, from the number here on.
 */
export const PeerKind = {
  /** A message for a session: goes to the session's environment. All others go to an environment. */
  message: 1,
  /** The same for all sessions of a client id, */
  clientMessage: 2,
  /** and for all sessions. */
  broadcast: 3,
  /** A request for a session, and its outcome. */
  request: 4,
  reply: 5,
  /** Ends a session. */
  close: 6,
  /** Ends all sessions of a client id. */
  revoke: 7,
  /** Ends a session whose client has another by now. */
  replaced: 8,
  /** The session by which a client id was known has ended: whoever has another of it says so. */
  rename: 9,
  /** Asks for figures of sessions; and some of them. */
  list: 10,
  listed: 11,
  /** Asks what became of an early request, which that environment does; a `reply` says it. */
  early: 12,
  /** 32 to 63. */
  relay: 32,
  /** 64 to 95. */
  homes: 64,
} as const;
