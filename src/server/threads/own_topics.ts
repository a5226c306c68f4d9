import { TopicLimitError } from "../../errors.js";
import type { Cursor } from "../../topic/cursor.js";
import type { Topics } from "../../topic/topics.js";
import type { Followers } from "./followers.js";
import { encodeHomeCommand, type HomeCommand, HomeOp, RefusedBy } from "./home_command.js";
import type { HomeMembers } from "./home_members.js";
import type { Interests } from "./interests.js";
import type { Lines } from "./lines.js";
import { type Publication, type TopicAudience, tellGap } from "./topic_audience.js";

/** What {@link OwnTopics} are made of: the `TopicHomes` owns it all. */
interface Parts<Subscriber> {
  readonly environment: number;
  readonly topics: Topics<Subscriber>;
  readonly audience: TopicAudience<Subscriber>;
  readonly members: HomeMembers;
  readonly interests: Interests;
  readonly lines: Lines;
  readonly followers: Followers;
}

/** The topics whose home is this environment: it numbers what is published to them, and tells those who want it. */
export class OwnTopics<Subscriber> {
  readonly #environment: number;
  readonly #topics: Topics<Subscriber>;
  readonly #audience: TopicAudience<Subscriber>;
  readonly #members: HomeMembers;
  readonly #interests: Interests;
  readonly #lines: Lines;
  readonly #followers: Followers;

  constructor(parts: Parts<Subscriber>) {
    this.#environment = parts.environment;
    this.#topics = parts.topics;
    this.#audience = parts.audience;
    this.#members = parts.members;
    this.#interests = parts.interests;
    this.#lines = parts.lines;
    this.#followers = parts.followers;
  }

  isHere(subject: string): boolean {
    return this.#members.homeOf(subject) === this.#environment;
  }

  /** @throws TopicLimitError, InvalidArgumentError */
  publish(publication: Publication): { cursor: Cursor; recipients: number } {
    const { subject, payload, type } = publication;
    this.claim(subject);
    const { cursor, recipients } = this.#topics.publish(subject, payload, { type });
    // The others first: what this leads to here may publish to the same topic.
    const others = this.#interested(subject);
    if (others.length > 0) {
      const command = encodeHomeCommand({ op: HomeOp.publication, subject, payload, type, cursor });
      for (const member of others) this.#followers.tell(member, subject, command, cursor);
    }
    return { cursor, recipients: this.#audience.deliver(publication, cursor, recipients) };
  }

  /** Whatever others have numbered of a topic of this environment: it has another epoch from now on, and all are told. */
  claim(subject: string): void {
    const before = this.#topics.claim(subject);
    if (before === undefined) return;
    tellGap(this.#topics, this.#audience, subject, before);
    const cursor = this.#topics.cursorOf(subject)!;
    const command = encodeHomeCommand({ op: HomeOp.state, subject, cursor });
    for (const member of this.#interested(subject)) this.#followers.tellPlace(member, command);
  }

  /** The others who may want what is said of a topic. */
  #interested(subject: string): readonly number[] {
    return this.#interests.among(this.#members.others, subject);
  }

  /** Another publishes to it. */
  offered(sender: number, command: HomeCommand): void {
    const { id } = command;
    if (!this.isHere(command.subject)) {
      this.#refuse(sender, id, RefusedBy.stranger);
      return;
    }
    try {
      const { cursor } = this.publish(command);
      this.#answer(sender, { op: HomeOp.taken, id, cursor });
    } catch (cause) {
      if (!(cause instanceof TopicLimitError)) throw cause;
      this.#refuse(sender, id, RefusedBy.limit);
    }
  }

  /** Another needs it from now on. */
  followed(sender: number, { id, subject, flag }: HomeCommand): void {
    if (!this.isHere(subject)) {
      this.#refuse(sender, id, RefusedBy.stranger);
      return;
    }
    this.claim(subject);
    try {
      this.#topics.begin(subject);
    } catch (cause) {
      if (!(cause instanceof TopicLimitError)) throw cause;
      this.#refuse(sender, id, RefusedBy.limit);
      return;
    }
    this.#followers.add(sender, { id, subject, wantsHistory: flag });
  }

  #refuse(member: number, id: number, type: number): void {
    this.#answer(member, { op: HomeOp.refused, id, type });
  }

  #answer(member: number, command: Partial<HomeCommand> & { readonly op: number }): void {
    // Where even that finds no room, who asked gives up by itself.
    this.#lines.sendPatiently(member, encodeHomeCommand(command));
  }
}
