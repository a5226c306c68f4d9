/** One way to keep who subscribes to what. Subscribers are small integers, which is what a server's slots are. */
export interface Book {
  add(pattern: string, subscriber: number): void;
  remove(pattern: string, subscriber: number): void;
  removeAll(subscriber: number): void;
  /** Finds everybody whom a subject goes to and walks them, as whoever sends does. @returns their numbers, mixed. */
  walk(subject: string): number;
}

/** What one process measured: nanoseconds an operation, but for the last three. */
export interface Figures {
  /** Everybody of a topic with 10,000 subscribers, for one message. */
  readonly publish: number;
  /** The same where one leaves and one comes before each message. */
  readonly publishChurned: number;
  /** The same where a hundred more have subscribed to it by wildcards, half of them twice. */
  readonly publishOverlapping: number;
  /** Some topic of many with 10 subscribers each. */
  readonly match: number;
  /** Some topic of many, where each has a subscriber by a wildcard of its own. */
  readonly matchWild: number;
  /** One more subscription. */
  readonly add: number;
  /** A subscriber goes: all its subscriptions, and that is divided by their number. */
  readonly leave: number;
  readonly bytesPerSubscription: number;
  /** Where each subscriber has one topic, and each topic one subscriber, with the topic's name. */
  readonly bytesPerSingle: number;
  /** Of everybody that was found. */
  readonly checksum: number;
}
