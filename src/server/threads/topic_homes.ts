import { ProtocolViolationError, TopicHomeError, TopicLimitError } from "../../errors.js";
import type { Cursor } from "../../topic/cursor.js";
import { checkSubject, isLiteral } from "../../topic/subject.js";
import type { Topic } from "../../topic/topic_store.js";
import type { SubscribeFrom, Topics } from "../../topic/topics.js";
import type { PublishResult } from "../publish_result.js";
import { type Answer, Asks } from "./asks.js";
import { Followers } from "./followers.js";
import type { Group } from "./group.js";
import { encodeHomeCommand, type HomeCommand, HomeOp, readHomeCommand } from "./home_command.js";
import { type Environments, HomeMembers } from "./home_members.js";
import { homeOf } from "./home_of.js";
import { Interests } from "./interests.js";
import { type LineLimits, Lines, type Posting } from "./lines.js";
import { Offers } from "./offers.js";
import { OwnTopics } from "./own_topics.js";
import { PeerKind } from "./peer_kind.js";
import { nextOf, type TopicAudience, tellGap } from "./topic_audience.js";

/** The environments among which topics are shared, as they are needed here: `Peers`, or less. */
export type HomePeers = Environments &
  Posting & { onLeft(handler: (environment: number) => void): void } & {
    readonly group: Pick<Group, "interests">;
  };

/** What a message of so many bytes needs on its way, and may wait with others: beyond, one is noted, and had again. */
export function lineLimits(maxMessageBytes: number): LineLimits {
  return { maxBytes: maxMessageBytes + 2_048, maxWaitingBytes: 2 ** 22 };
}

/** How many topics are seen to in one turn of the clock, whose home has changed. */
const movedBudget = 500;
const maxAttempts = 4;
/** So long after its end there is nothing more to be read of an environment. */
const staleMs = 30_000;
const beforeAll: Cursor = { epoch: 0, sequence: 0 };

/**
 * Topics that environments share. Each topic has one of them for its home, by rendezvous hashing, which numbers what is
 * published to it anywhere, and tells those who want it: so everybody sees one order, and one cursor.
 *
 *     publisher ── offer ──► home ── publication ──► environments that want it ──► who subscribes there
 *               ◄── taken ──
 */
export class TopicHomes<Subscriber> {
  readonly #environment: number;
  readonly #topics: Topics<Subscriber>;
  readonly #audience: TopicAudience<Subscriber>;
  readonly #members: HomeMembers;
  readonly #interests: Interests;
  readonly #lines: Lines;
  readonly #offers: Offers;
  readonly #asks: Asks;
  readonly #followers: Followers;
  readonly #own: OwnTopics<Subscriber>;
  /** Subjects whose home has changed, and what that means here is not done yet. */
  readonly #moved = new Set<string>();
  /** When somebody by a number has ended: what that one wrote may still be read. */
  readonly #leftMs = new Map<number, number>();
  #nowMs = 0;
  #isClosed = false;

  constructor(
    peers: HomePeers,
    topics: Topics<Subscriber>,
    audience: TopicAudience<Subscriber>,
    limits: LineLimits,
  ) {
    this.#environment = peers.environment;
    this.#topics = topics;
    this.#audience = audience;
    this.#members = new HomeMembers(peers, (before) => this.#onChange(before));
    this.#interests = new Interests(peers.group.interests, peers.environment);
    this.#lines = new Lines(peers, PeerKind.homes, limits, (bytes, sender) => {
      this.#members.look();
      this.#take(sender, readHomeCommand(bytes));
    });
    this.#offers = new Offers(this.#members, this.#lines);
    this.#asks = new Asks(this.#lines);
    this.#followers = new Followers(this.#lines, topics);
    this.#own = new OwnTopics({
      ...{ environment: this.#environment, topics, audience, members: this.#members },
      ...{ interests: this.#interests, lines: this.#lines, followers: this.#followers },
    });
    peers.onLeft((environment) => this.#onLeft(environment));
    topics.share({
      wanted: (pattern) => this.#interests.add(pattern),
      unwanted: (pattern) => this.#interests.remove(pattern),
      forgotten: (topic) => this.#onForgotten(topic),
    });
    this.#members.enter();
    this.#members.look(); // all else is there by now
  }

  /** Publications and questions on their way to their homes. */
  get pendingCount(): number {
    return this.#offers.size + this.#asks.size;
  }

  /** @throws InvalidArgumentError; TopicLimitError where the topic's home is here */
  publish(subject: string, payload: Uint8Array, type: number): PublishResult {
    checkSubject(subject);
    if (this.#members.homeOf(subject) !== this.#environment) return this.#offers.make(subject, payload, type);
    const { cursor, recipients } = this.#own.publish({ subject, payload, type });
    return { status: "published", cursor, recipients };
  }

  /**
   * Asks the home of a subject what is not known here and somebody needs who subscribes to it.
   * @param pattern a sound one, and `from` goes with it.
   * @returns undefined where nothing has to be asked. Rejected with TopicHomeError or TopicLimitError.
   */
  prepare(pattern: string, from: SubscribeFrom | undefined): Promise<void> | undefined {
    if (!isLiteral(pattern)) return undefined;
    if (this.#own.isHere(pattern)) {
      this.#own.claim(pattern);
      return undefined;
    }
    const topic = this.#topics.topicOf(pattern);
    if (topic?.followed?.isFollowing === true && serves(topic, from)) return undefined;
    return this.#askHome(pattern, from !== undefined && topic?.followed?.isWhole !== true);
  }

  /** Whether a subscription may begin: after waiting for `prepare`, the home may be another by now. */
  isPrepared(pattern: string): boolean {
    return (
      !isLiteral(pattern) ||
      this.#own.isHere(pattern) ||
      this.#topics.topicOf(pattern)?.followed !== undefined
    );
  }

  sweep(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#members.look();
    this.#interests.heal();
    this.#offers.sweep(nowMs);
    this.#asks.sweep(nowMs);
    let budget = movedBudget;
    for (const subject of this.#moved) {
      if (budget-- === 0) return;
      this.#moved.delete(subject);
      this.#settleMoved(subject);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#offers.close();
    this.#asks.close();
  }

  async #askHome(subject: string, wantsHistory: boolean): Promise<void> {
    let cause: Error = new TopicHomeError("no thread of the group has topics");
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const home = this.#members.homeOf(subject);
      if (home === undefined) break;
      if (home === this.#environment) {
        this.#own.claim(subject);
        return;
      }
      const failure = await new Promise<Error | undefined>((resolve) => {
        this.#ask(home, subject, wantsHistory, resolve);
      });
      if (failure === undefined) return;
      cause = failure;
      if (this.#isClosed || cause instanceof TopicLimitError) break;
    }
    throw cause;
  }

  /** Follows a topic as its home says where it is. */
  #ask(home: number, subject: string, wantsHistory: boolean, done: (failure?: Error) => void): void {
    this.#interests.add(subject); // else what the home publishes right behind its answer would not come
    this.#asks.ask(home, subject, wantsHistory, (answer) => {
      done(this.#answered(home, subject, answer));
      this.#interests.remove(subject);
    });
  }

  /** @returns why the topic is not followed */
  #answered(home: number, subject: string, answer: Answer): Error | undefined {
    if (answer.state === undefined) return answer.cause;
    if (this.#members.homeOf(subject) !== home)
      return new TopicHomeError("this topic is another thread's by now");
    const { cursor, former, flag: isWhole } = answer.state;
    try {
      this.#follow(subject, cursor!, { entries: answer.entries, former, isWhole, isFollowing: true });
      return undefined;
    } catch (cause) {
      return cause as Error;
    }
  }

  #follow(subject: string, cursor: Cursor, place: Parameters<Topics<Subscriber>["follow"]>[2]): void {
    const before = this.#topics.follow(subject, cursor, place);
    if (before !== undefined) tellGap(this.#topics, this.#audience, subject, before);
  }

  #take(sender: number, command: HomeCommand): void {
    switch (command.op) {
      case HomeOp.offer:
        this.#own.offered(sender, command);
        break;
      case HomeOp.taken:
        this.#offers.answered(sender, command);
        break;
      case HomeOp.refused:
        if (!this.#offers.answered(sender, command)) this.#asks.refused(sender, command);
        break;
      case HomeOp.publication:
        this.#onPublication(sender, command);
        break;
      case HomeOp.follow:
        this.#own.followed(sender, command);
        break;
      case HomeOp.unfollow:
        this.#topics.unfollow(sender, command.subject);
        break;
      case HomeOp.kept:
        this.#asks.kept(sender, command);
        break;
      case HomeOp.state:
        this.#onState(sender, command);
        break;
      default:
        this.#audience.tellLoss();
    }
  }

  #onPublication(sender: number, command: HomeCommand): void {
    const { subject, payload, type } = command;
    const cursor = command.cursor!;
    if (cursor.sequence === 0) throw new ProtocolViolationError("the first message has the sequence 1");
    if (!this.#isOfHome(sender, subject, cursor)) return;
    const { recipients, isNew, before } = this.#topics.take(subject, payload, type, cursor);
    if (!isNew) return;
    if (before !== undefined) {
      tellGap(this.#topics, this.#audience, subject, before, {
        epoch: cursor.epoch,
        oldest: cursor.sequence,
      });
    }
    this.#audience.deliver(command, cursor, recipients);
  }

  /** What another than the home says is taken where it was the home until now: the new one will tell where it is. */
  #isOfHome(sender: number, subject: string, { epoch }: Cursor): boolean {
    const topic = this.#topics.topicOf(subject);
    const isHome = this.#members.homeOf(subject) === sender;
    if (topic === undefined) {
      const leftMs = this.#leftMs.get(sender) ?? Number.NEGATIVE_INFINITY;
      if (!isHome || this.#nowMs - leftMs < staleMs) this.#moved.add(subject);
      return true;
    }
    return isHome || (topic.followed !== undefined && topic.history.epoch === epoch);
  }

  #onState(sender: number, state: HomeCommand): void {
    const { id, subject } = state;
    const cursor = state.cursor!;
    if (id !== 0) {
      this.#asks.told(sender, state);
    } else if (this.#topics.topicOf(subject) === undefined) {
      this.#onStrange(subject, cursor);
    } else if (this.#members.homeOf(subject) === sender) {
      this.#follow(subject, cursor, {});
    }
  }

  /** A topic of which nothing is known here has lost something: who gets it by a wildcard never got that. */
  #onStrange(subject: string, cursor: Cursor): void {
    if (this.#topics.recipients(subject).length === 0) return;
    tellGap(this.#topics, this.#audience, subject, beforeAll, nextOf(cursor));
    try {
      this.#topics.follow(subject, cursor, {});
      this.#moved.add(subject); // so that its home knows that it is needed here
    } catch (cause) {
      if (!(cause instanceof TopicLimitError)) throw cause;
    }
  }

  /** Nobody here needs a topic any more. */
  #onForgotten({ history: { subject }, followed }: Topic): void {
    const home = this.#members.homeOf(subject);
    if (followed?.isFollowing !== true || home === undefined || home === this.#environment) return;
    this.#lines.sendPatiently(home, encodeHomeCommand({ op: HomeOp.unfollow, subject }));
  }

  /** Others have come or gone: what has another home now is numbered there, and begun anew. */
  #onChange(before: readonly number[]): void {
    const now = this.#members.numbers;
    for (const member of now) if (!before.includes(member)) this.#followers.join(member);
    if (before.length === 0) return;
    if (now.length === 0) return;
    this.#move((subject) => homeOf(subject, before) !== homeOf(subject, now));
  }

  #onLeft(environment: number): void {
    this.#members.look();
    this.#leftMs.set(environment, this.#nowMs);
    this.#followers.forget(environment, this.#members.others.includes(environment));
    this.#offers.left(environment);
    this.#asks.left(environment);
    // Its number may be another's by now, which knows nothing of its topics.
    this.#move((subject) => this.#members.homeOf(subject) === environment);
  }

  #move(isMoved: (subject: string) => boolean): void {
    for (const { history } of this.#topics.all()) {
      if (!isMoved(history.subject)) continue;
      this.#topics.disown(history.subject);
      this.#moved.add(history.subject);
    }
  }

  /** The new home begins another epoch, and says so; who needs the topic asks for it. */
  #settleMoved(subject: string): void {
    const home = this.#members.homeOf(subject);
    const topic = this.#topics.topicOf(subject);
    if (home === undefined || topic === undefined) return;
    if (home === this.#environment) {
      this.#own.claim(subject);
      return;
    }
    const isNeeded = topic.idleSinceMs === undefined || this.#topics.recipients(subject).length > 0;
    if (!isNeeded || topic.followed?.isFollowing === true) return;
    this.#ask(home, subject, false, (failure) => {
      // Its home may have changed again.
      if (failure instanceof TopicHomeError) this.#moved.add(subject);
    });
  }
}

/** Whether what is known here of a topic of another environment is enough for who subscribes from there. */
function serves({ history, followed }: Readonly<Topic>, from: SubscribeFrom | undefined): boolean {
  if (from === undefined) return true;
  if (typeof from !== "object") return followed?.isWhole === true;
  if (from.epoch !== history.epoch || from.sequence > history.sequence) return false;
  return followed?.isWhole === true || from.sequence >= history.oldest - 1;
}
