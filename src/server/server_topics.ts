import { contentsOf } from "../delivery/contents.js";
import { encodeGap } from "../delivery/gap.js";
import { entry } from "../delivery/meta.js";
import { SessionClosedError } from "../errors.js";
import { encodeFrame, type FrameContents, Kind } from "../frame/frame.js";
import type { Codec } from "../frame/message_codec.js";
import { type Cursor, encodeCursor } from "../topic/cursor.js";
import { Missed } from "../topic/missed.js";
import { OnTheWay } from "../topic/on_the_way.js";
import type { TopicsOptions } from "../topic/options.js";
import { matches } from "../topic/subject.js";
import type { Gap, HistoryEntry } from "../topic/topic_history.js";
import { type Subscribed, type SubscribeFrom, Topics, type TopicsStatistics } from "../topic/topics.js";
import type { TransportConnection } from "../transport/connection.js";
import { FanOuts } from "./fan_outs.js";
import { checkPublished } from "./publish_options.js";
import type { PublishResult } from "./publish_result.js";
import { beyondQueued } from "./queued_places.js";
import type { ServerSession } from "./server_session.js";
import type { Peers } from "./threads/peers.js";
import type { Publication } from "./threads/topic_audience.js";
import { lineLimits, TopicHomes } from "./threads/topic_homes.js";
import { cursorKey, noTopicPlaces, type TopicPlaces } from "./topic_terms.js";

const nothing = new Uint8Array(0);
/** How many messages and topics are looked at in one turn of the clock. */
const sweepBudget = 1_000;

/** What a session gets that subscribes. */
export interface SubscribeResult extends Subscribed {
  /**
   * There where another thread is asked first where the topic is: it subscribes when that has answered, and all else here
   * says nothing. Rejected with TopicHomeError, TopicLimitError or SubscriptionLimitError; or SessionClosedError, where the
   * session ended or unsubscribed meanwhile.
   */
  readonly outcome?: Promise<Subscribed>;
}

/** A subscription whose topic's home is asked. */
interface Joining<Data> {
  readonly session: ServerSession<Data>;
  readonly pattern: string;
}

/** The topics of one environment: what is published goes to the sessions that subscribe to it, as the same bytes. */
export class ServerTopics<Data> {
  readonly #topics: Topics<ServerSession<Data>>;
  readonly #codecOf: (transport: TransportConnection) => Codec | undefined;
  readonly #maxMessageBytes: number;
  /** Where those stopped who could take no more, or were away. */
  readonly #missed = new Missed<ServerSession<Data>>();

  readonly #onTheWay = new OnTheWay<ServerSession<Data>>();
  /** Undefined where no other environment can join. */
  readonly #homes: TopicHomes<ServerSession<Data>> | undefined;
  readonly #joining = new Set<Joining<Data>>();

  /** @throws InvalidArgumentError */
  constructor(
    options: TopicsOptions | undefined,
    codecOf: (transport: TransportConnection) => Codec | undefined,
    peers: Peers,
    maxMessageBytes: number,
  ) {
    this.#topics = new Topics(options);
    this.#codecOf = codecOf;
    this.#maxMessageBytes = maxMessageBytes;
    const isShared = peers.group.sessions.maxEnvironments > 1;
    this.#homes = isShared
      ? new TopicHomes(peers, this.#topics, this, lineLimits(maxMessageBytes))
      : undefined;
    this.sweep(performance.now()); // what comes before the clock's first turn has its time from now on
  }

  get statistics(): TopicsStatistics {
    return this.#topics.statistics;
  }

  /** @throws FrameTooLargeError, InvalidArgumentError, TopicLimitError */
  publish(subject: string, payload: Uint8Array, type: number): PublishResult {
    checkPublished(payload, this.#maxMessageBytes);
    if (this.#homes !== undefined) return this.#homes.publish(subject, payload, type);
    const { cursor, recipients } = this.#topics.publish(subject, payload, { type });
    const handed = this.deliver({ subject, payload, type }, cursor, recipients);
    return { status: "published", cursor, recipients: handed };
  }

  /** Gives a publication to those it goes to. @returns to how many it was handed */
  deliver(
    { subject, payload, type }: Publication,
    cursor: Cursor,
    recipients: readonly ServerSession<Data>[],
  ): number {
    if (recipients.length === 0) return 0;
    this.#onTheWay.published(subject, cursor);
    const contents = publication(subject, payload, type, encodeCursor(cursor));
    const fanOuts = new FanOuts();
    const direct: ServerSession<Data>[] = [];
    let handed = 0;
    for (const session of recipients) {
      const { connection } = session;
      // Behind what it has missed nothing new may come, or it would be out of order.
      if (session.isClosing) continue;
      const waits = connection?.state !== "open" || this.#missed.has(session);
      if (waits) this.#missed.note(session, subject, cursor);
      else if (session.isLayered || session.outbound.isHeld || payload.length > session.maxPayloadBytes) {
        if (this.#give(session, contents, cursor) === "given") handed += 1;
      } else {
        fanOuts.of(session.compressedBy).add(connection, this.#codecOf(connection));
        direct.push(session);
      }
    }
    if (direct.length === 0) return handed;
    let accepted = 0;
    for (const [compression, fanOut] of fanOuts) {
      const shared = compression?.compress(contents) ?? contents;
      const frame = encodeFrame(shared, shared.payload, shared);
      accepted += fanOut.send(frame, nothing, (codec) => codec.encode(shared));
    }
    if (accepted < direct.length) this.#noteFull(direct, subject, cursor);
    return handed + accepted;
  }

  /** Tells sessions that they may have missed something of a topic after a place. */
  tellGap(subject: string, gap: Gap, before: Cursor, recipients: readonly ServerSession<Data>[]): void {
    const frame = encodeGap({ topic: subject, ...gap });
    const next = { epoch: before.epoch, sequence: before.sequence + 1 };
    for (const session of recipients) {
      if (session.isClosing || this.#isToldNow(session, frame)) continue;
      if (!session.isClosing) this.#missed.note(session, subject, next);
    }
  }

  /** The same of all topics, whoever subscribes to any. */
  tellLoss(): void {
    const frame = encodeGap({ topic: undefined, epoch: 0, oldest: 0 });
    for (const session of this.#topics.subscribers()) {
      if (session.isClosing || this.#isToldNow(session, frame)) continue;
      if (!session.isClosing) this.#missed.noteLoss(session);
    }
  }

  #isToldNow(session: ServerSession<Data>, frame: FrameContents): boolean {
    if (session.connection?.state !== "open" || this.#missed.has(session)) return false;
    return session.sendDirectly(frame) !== "dropped";
  }

  /**
   * Subscribes a session, and sends it what it wants of what came before.
   * @param places how far its client has come in topics, which a pattern with wildcards brings it.
   * @throws InvalidArgumentError, SubscriptionLimitError, TopicLimitError
   */
  subscribe(
    session: ServerSession<Data>,
    pattern: string,
    from?: SubscribeFrom,
    places: TopicPlaces = noTopicPlaces,
  ): SubscribeResult {
    if (this.#homes === undefined) return this.#subscribe(session, pattern, from, places);
    this.#topics.check(session, pattern, { from });
    const prepared = this.#homes.prepare(pattern, from);
    if (prepared === undefined) return this.#subscribe(session, pattern, from, places);
    const outcome = this.#join(prepared, { session, pattern }, from);
    outcome.catch(() => {}); // whoever does not ask is not told
    return { replay: [], recovered: false, outcome };
  }

  async #join(
    prepared: Promise<void>,
    joining: Joining<Data>,
    from: SubscribeFrom | undefined,
  ): Promise<Subscribed> {
    const { session, pattern } = joining;
    this.#joining.add(joining);
    try {
      await prepared;
      while (this.#homes?.isPrepared(pattern) === false) await this.#homes.prepare(pattern, from);
      if (!this.#joining.has(joining)) throw new SessionClosedError(`session ${session.id} unsubscribed`);
      if (session.isClosing) throw new SessionClosedError(`session ${session.id} is closed`);
      return this.#subscribe(session, pattern, from);
    } finally {
      this.#joining.delete(joining);
    }
  }

  #subscribe(
    session: ServerSession<Data>,
    pattern: string,
    from?: SubscribeFrom,
    places: TopicPlaces = noTopicPlaces,
  ): Subscribed {
    const subscribed = this.#topics.subscribe(session, pattern, { from });
    this.#onTheWay.subscribed(session);
    const { replay, cursor } = subscribed;
    if (cursor !== undefined) this.#replay(session, pattern, replay, cursor.epoch);
    else this.#catchUp(session, pattern, places);
    return subscribed;
  }

  /** Behind what it has missed otherwise, and has not got yet. */
  #catchUp(session: ServerSession<Data>, pattern: string, places: TopicPlaces): void {
    const own = [...places].filter(([topic]) => matches(pattern, topic));
    this.#missed.add(session, { places: new Map(own), isComplete: true });
    this.goOn(session);
  }

  /** @returns false where it was not subscribed to that. */
  unsubscribe(session: ServerSession<Data>, pattern: string): boolean {
    let wasJoining = false;
    for (const joining of this.#joining) {
      if (joining.session !== session || joining.pattern !== pattern) continue;
      this.#joining.delete(joining);
      wasJoining = true;
    }
    return this.#topics.unsubscribe(session, pattern) || wasJoining;
  }

  patternsOf(session: ServerSession<Data>): readonly string[] {
    return this.#topics.patternsOf(session);
  }

  /** A session is over. */
  forget(session: ServerSession<Data>): void {
    this.#missed.forget(session);
    this.#onTheWay.forget(session);
    this.#topics.removeAll(session);
  }

  /** A session is back, and its client says what it has: the rest of what was on its way is to be given again. */
  resume(session: ServerSession<Data>, places: TopicPlaces): void {
    const patterns = this.#topics.patternsOf(session);
    if (patterns.length === 0) return;
    const gets = (subject: string) => this.#topics.reaches(session, subject);
    const missed = this.#onTheWay.returned(session, { patterns, gets, places });
    this.#missed.add(session, beyondQueued(missed, places, session.outbound));
  }

  /** A session can take more again, or is back: it gets what it has missed, or is told what is lost of it. */
  goOn(session: ServerSession<Data>): void {
    if (session.isClosing || session.connection?.state !== "open") return;
    const missed = this.#missed.take(session);
    if (missed === undefined) return;
    for (const [topic, place] of missed.places) this.#recover(session, topic, place);
    if (!missed.isComplete) session.sendDirectly(encodeGap({ topic: undefined, epoch: 0, oldest: 0 }));
  }

  #recover(session: ServerSession<Data>, topic: string, place: Cursor): void {
    const recovered = this.#topics.since(topic, place);
    const gap = recovered === undefined ? { epoch: 0, oldest: 0 } : recovered.gap;
    if (gap !== undefined) session.sendDirectly(encodeGap({ topic, ...gap }));
    const epoch = this.#topics.cursorOf(topic)?.epoch;
    if (epoch !== undefined) this.#replay(session, topic, recovered?.entries ?? [], epoch);
  }

  /** What finds no room is had when there is some again. */
  #replay(
    session: ServerSession<Data>,
    topic: string,
    entries: readonly HistoryEntry[],
    epoch: number,
  ): void {
    for (const message of entries) {
      const cursor = { epoch, sequence: message.sequence };
      if (this.#give(session, replayed(topic, message, epoch), cursor) === "missed") return;
    }
  }

  /**
   * Gives a session one publication. Where it is larger than its client takes, or middleware does not let it pass, the
   * client is told that it has missed one; what finds no room is noted, and had again when there is some.
   */
  #give(
    session: ServerSession<Data>,
    message: FrameContents,
    cursor: Cursor,
  ): "given" | "passed over" | "missed" {
    const { subject: topic = "", payload } = message;
    const isTooLarge = payload.length > session.maxPayloadBytes;
    const result = isTooLarge ? "refused" : session.sendPublication(message);
    if (result === "sent" || result === "blocked") return "given";
    const { epoch, sequence } = cursor;
    const gap = result === "refused" ? encodeGap({ topic, epoch, oldest: sequence + 1 }) : undefined;
    if (gap !== undefined && session.sendDirectly(gap) !== "dropped") return "passed over";
    if (!session.isClosing) this.#missed.note(session, topic, cursor);
    return "missed";
  }

  sweep(nowMs: number): void {
    this.#topics.sweep(nowMs, sweepBudget);
    this.#homes?.sweep(nowMs);
  }

  /** The server's end. */
  close(): void {
    this.#homes?.close();
  }

  /**
   * Which of many did not take a publication is not told, but they are among those whose queues are full; a client
   * passes over what it gets twice.
   */
  #noteFull(sessions: readonly ServerSession<Data>[], subject: string, cursor: Cursor): void {
    for (const session of sessions) {
      const { bytesQueued, limits } = session.outbound;
      if (bytesQueued >= limits.highWaterMarkBytes) this.#missed.note(session, subject, cursor);
    }
  }
}

function publication(subject: string, payload: Uint8Array, type: number, cursor: Uint8Array): FrameContents {
  return contentsOf(Kind.Publish, { type, payload, subject, meta: entry(cursorKey, cursor) });
}

function replayed(subject: string, { sequence, bytes, type }: HistoryEntry, epoch: number): FrameContents {
  return publication(subject, bytes, type, encodeCursor({ epoch, sequence }));
}
