/**
 * Requests and messages of this subject carry large messages in pieces (see `src/large`): where these are received, they
 * are no messages of the application's, so that no store gets them.
 */
export const largeSubject = "millrace.large";
