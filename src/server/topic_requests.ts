import { FailureCode, RequestFailure } from "../delivery/failure.js";
import { checkPattern, checkSubject } from "../topic/subject.js";
import type { ServerBehaviour } from "./behaviour.js";
import type { OwnIncoming } from "./own_incoming.js";
import type { PublishResult } from "./publish_result.js";
import type { ServerSession } from "./server_session.js";
import type { ServerTopics } from "./server_topics.js";
import { asFailure, publishFailure, readWanted, subscribedMeta } from "./topic_terms.js";

/** What clients ask of topics: each is granted by the application, or refused. */
export class TopicRequests<Data> {
  readonly #behaviour: ServerBehaviour<Data>;
  readonly #topics: ServerTopics<Data>;

  constructor(behaviour: ServerBehaviour<Data>, topics: ServerTopics<Data>) {
    this.#behaviour = behaviour;
    this.#topics = topics;
  }

  /** @throws RequestFailure */
  async subscribe(session: ServerSession<Data>, incoming: OwnIncoming): Promise<void> {
    const pattern = checked(patternOf, incoming.subject);
    const { from, places } = checked(readWanted, incoming.meta);
    await this.#granted(this.#behaviour.subscribe?.(session, pattern), pattern);
    if (session.isClosing) return; // meanwhile
    try {
      const subscribed = this.#topics.subscribe(session, pattern, from, places);
      incoming.answerMeta = subscribedMeta((await subscribed.outcome) ?? subscribed);
    } catch (cause) {
      throw asFailure(cause);
    }
  }

  unsubscribe(session: ServerSession<Data>, incoming: OwnIncoming): void {
    this.#topics.unsubscribe(session, checked(patternOf, incoming.subject));
  }

  /** @throws RequestFailure */
  async publish(session: ServerSession<Data>, incoming: OwnIncoming): Promise<void> {
    const subject = checked(subjectOf, incoming.subject);
    await this.#granted(this.#behaviour.publish?.(session, subject, incoming.payload), subject);
    let published: PublishResult;
    try {
      published = this.#topics.publish(subject, incoming.payload, 0);
    } catch (cause) {
      throw asFailure(cause);
    }
    const failure = publishFailure((await published.outcome) ?? published);
    if (failure !== undefined) throw failure;
  }

  /** @throws RequestFailure where the application does not say true. */
  async #granted(answer: boolean | PromiseLike<boolean> | undefined, subject: string): Promise<void> {
    if ((await answer) === true) return;
    throw new RequestFailure(`this client may not use "${subject}"`, FailureCode.forbidden);
  }
}

function patternOf(text = ""): string {
  checkPattern(text);
  return text;
}

function subjectOf(text = ""): string {
  checkSubject(text);
  return text;
}

/** What a client sent, as it is read. @throws RequestFailure where it is none of that. */
function checked<Given, Read>(read: (given: Given) => Read, given: Given): Read {
  try {
    return read(given);
  } catch (cause) {
    throw asFailure(cause);
  }
}
