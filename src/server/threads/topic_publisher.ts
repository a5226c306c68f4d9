import { ListenerClosedError, ProtocolViolationError } from "../../errors.js";
import { checkSubject } from "../../topic/subject.js";
import type { PublishResult } from "../publish_result.js";
import { HomeOp, readHomeCommand } from "./home_command.js";
import { HomeMembers } from "./home_members.js";
import { Lines } from "./lines.js";
import { Offers } from "./offers.js";
import { PeerKind } from "./peer_kind.js";
import type { HomePeers } from "./topic_homes.js";

/** What homes say to who only publishes is short; what waits on the way to one of them is not. */
const limits = { maxBytes: 2_048, maxWaitingBytes: 2 ** 22 };
/** How often it is seen whose home does not answer any more. */
const sweepMs = 1_000;

/** Publishes in an environment that has no topics: each message is offered to its topic's home, as others' are. */
export class TopicPublisher {
  readonly #members: HomeMembers;
  readonly #offers: Offers;
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(peers: HomePeers) {
    this.#members = new HomeMembers(peers);
    const lines = new Lines(peers, PeerKind.homes, limits, (bytes, sender) => {
      const command = readHomeCommand(bytes);
      const isAnswer = command.op === HomeOp.taken || command.op === HomeOp.refused;
      if (!isAnswer) throw new ProtocolViolationError(`nobody has topics here: ${command.op}`);
      this.#offers.answered(sender, command);
    });
    this.#offers = new Offers(this.#members, lines);
    this.#offers.sweep(performance.now());
    this.#timer = setInterval(() => this.#offers.sweep(performance.now()), sweepMs).unref();
    peers.onLeft((environment) => {
      lines.forget(environment);
      this.#offers.left(environment);
    });
  }

  /** @throws InvalidArgumentError; ListenerClosedError once it is closed */
  publish(subject: string, payload: Uint8Array, type: number): PublishResult {
    checkSubject(subject, "topic");
    if (this.#isClosed) throw new ListenerClosedError("the group is closed");
    return this.#offers.make(subject, payload, type);
  }

  /** No answer comes any more. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#offers.close();
  }
}
