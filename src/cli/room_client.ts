import type {
  ClientBehaviour,
  ClientOptions,
  ClientSession,
  Connected,
  Cursor,
  Missed,
  Publication,
} from "../client/index.js";
import { FailureCode, RequestFailure } from "../delivery/failure.js";
import {
  type Entrance,
  type Line,
  type Move,
  maxRoomMessageBytes,
  type Participant,
  type Said,
  subjects,
  topics,
} from "./room_words.js";

/** `connect` of `millrace/client`, of Node.js or of a browser. */
export type Connect = (
  urls: string | readonly string[],
  options: ClientOptions,
  behaviour: ClientBehaviour,
) => Promise<ClientSession>;

/** What a member's side of the room tells. */
export interface RoomEvents {
  /** The room has taken us in; again where it had forgotten us meanwhile. */
  entered(entrance: Entrance): void;
  said(line: Line, own: boolean): void;
  moved(move: Move, own: boolean): void;
  roster(participants: readonly Participant[]): void;
  /** Lines were said that are kept nowhere. */
  missed(): void;
  /** The room is about to stop. */
  leaving(): void;
  /** The connection is lost; it is tried again. */
  lost(): void;
  /** It is there again, and nothing has changed. */
  back(): void;
  /** The last call. @param cause undefined where we left ourselves */
  over(cause: Error | undefined): void;
}

export interface RoomClientOptions {
  readonly name: string;
  /** How often to try again when the connection is lost; for ever where it is left out. */
  readonly attempts?: number;
  /** What `connect` takes beside. */
  readonly client?: ClientOptions;
}

/** So often the room hears of us, and we of it. */
const heartbeatMs = 5_000;
/** More than a room keeps. */
const rememberedLines = 1_000;
const firstDelayMs = 250;
const longestDelayMs = 10_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One in the room: what is said comes to its events, over whichever connection; the page runs this, too. */
export class RoomClient implements ClientBehaviour {
  readonly requests = { [subjects.ping]: () => undefined };
  readonly #events: RoomEvents;
  #session!: ClientSession;
  #id = 0;
  /** Where in what was said. */
  #cursor: Cursor | undefined = undefined;
  /** The sequences of the last lines. */
  readonly #heard = new Set<number>();
  #awaited: { readonly sequence: number; readonly resolve: () => void } | undefined = undefined;
  /** How often the connection was lost. */
  #losses = 0;
  /** Resolves when the room is there again, or it is over. */
  #away: Promise<void> | undefined = undefined;
  #endAway: (() => void) | undefined = undefined;
  #isOver = false;

  private constructor(events: RoomEvents) {
    this.#events = events;
  }

  /** Connects and enters. @throws as `connect`; SessionRefusedError where the room will not have that name */
  static async enter(
    connect: Connect,
    url: string,
    { name, attempts = Number.POSITIVE_INFINITY, client }: RoomClientOptions,
    events: RoomEvents,
  ): Promise<RoomClient> {
    const room = new RoomClient(events);
    const meta = [{ key: "name", value: encoder.encode(name) }];
    const maxMessageBytes = maxRoomMessageBytes;
    const reconnect = { delayMs: firstDelayMs, maxDelayMs: longestDelayMs, jitter: 0.5, attempts };
    room.#session = await connect(url, { ...client, meta, heartbeatMs, maxMessageBytes, reconnect }, room);
    void room.#session.closed.then(({ error, reason }) => {
      room.#over(error ?? new RefusedByRoom(`the room has ended it: ${reason || "it does not say why"}`));
    });
    try {
      await room.#introduce();
    } catch (cause) {
      if (room.#losses === 0) {
        room.#fail(cause as Error);
        throw cause instanceof RequestFailure ? new RefusedByRoom(cause.message) : cause;
      } // else it is lost meanwhile, which is seen to
    }
    return room;
  }

  /** @returns its sequence. @throws RefusedByRoom with what the room says against it; NotSaid */
  async say(text: string): Promise<number> {
    await this.#away; // so that a room that is restarted meanwhile answers it, or nobody has heard it
    const reply = await this.#session.request(subjects.say, text).catch((cause) => {
      throw new NotSaid(`not sent: ${text}`, { cause }); // the session is over, or takes no more
    });
    if (reply.status === "success") return (read(reply.payload) as Said).sequence;
    if (reply.status === "failure" && reply.code === FailureCode.lost) {
      throw new NotSaid(`perhaps not sent: ${text}`); // it was on its way when the room ended
    }
    throw new RefusedByRoom(reply.status === "failure" ? reply.reason : "the room does not answer");
  }

  /** Resolves when all has come that was said up to a sequence, or it is over. */
  heard(sequence: number): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { sequence, resolve };
      this.#settle();
    });
  }

  /** For good. */
  async leave(): Promise<void> {
    this.#over(undefined);
    await this.#session.close();
  }

  publication(_session: ClientSession, { topic, payload, cursor }: Publication): void {
    const value = read(payload);
    if (topic === topics.lines) this.#hear(value as Line, cursor);
    else if (topic === topics.moves) {
      const move = value as Move;
      this.#events.moved(move, move.who.id === this.#id);
    } else if (topic === topics.roster) this.#events.roster(value as readonly Participant[]);
  }

  /** What has been missed is kept by the room for a while. */
  gap(_session: ClientSession, missed: Missed): void {
    if (missed.topic !== topics.lines && missed.topic !== "") return;
    const { after = this.#cursor } = missed;
    if (this.#away === undefined) this.#catchUp(after).catch(() => {}); // else who comes back asks for all
  }

  goAway(): void {
    this.#events.leaving();
  }

  /** What the room said is not what rooms say. */
  error(_session: ClientSession, cause: unknown): void {
    this.#fail(cause as Error);
  }

  disconnected(): void {
    if (this.#isOver) return;
    this.#losses += 1;
    this.#away ??= new Promise((resolve) => {
      this.#endAway = resolve;
    });
    this.#events.lost();
  }

  connected(session: ClientSession, { resumed }: Connected): void {
    if (this.#session === session) void this.#comeBack(resumed); // else it is the first time, which `enter` sees to
  }

  async #comeBack(resumed: boolean): Promise<void> {
    const losses = this.#losses;
    try {
      if (resumed) this.#events.back();
      await this.#introduce(resumed);
      if (losses === this.#losses) this.#isBack();
    } catch (cause) {
      if (losses === this.#losses) this.#fail(cause as Error); // else it is lost once more, which is seen to
    }
  }

  /** Asks who we are, and for all that is said from where we were. */
  async #introduce(resumed = false): Promise<void> {
    const session = this.#session;
    if (!resumed) {
      const reply = await session.request(subjects.me);
      if (reply.status !== "success") throw new RefusedByRoom("this is no room: nobody says who we are here");
      const entrance = read(reply.payload) as Entrance;
      this.#id = entrance.you.id;
      this.#events.entered(entrance);
      await session.subscribe(topics.moves);
    }
    await session.subscribe(topics.roster, { from: "last" });
    await this.#catchUp(this.#cursor);
  }

  /** Asks for all that was said after a place. */
  async #catchUp(after: Cursor | undefined): Promise<void> {
    const { recovered } = await this.#session.subscribe(topics.lines, { from: after ?? "oldest" });
    if (after !== undefined && !recovered) this.#events.missed();
  }

  /** Who catches up hears some lines once more. */
  #hear(line: Line, cursor: Cursor): void {
    const { epoch, sequence } = cursor;
    if (this.#cursor?.epoch !== epoch) this.#heard.clear();
    this.#cursor = cursor;
    if (this.#heard.has(sequence)) return;
    this.#heard.add(sequence);
    for (const oldest of this.#heard) {
      if (this.#heard.size <= rememberedLines) break;
      this.#heard.delete(oldest);
    }
    this.#events.said(line, line.from.id === this.#id);
    this.#settle();
  }

  #settle(): void {
    const { sequence = 0 } = this.#cursor ?? {};
    if (this.#awaited === undefined || sequence < this.#awaited.sequence) return;
    this.#awaited.resolve();
    this.#awaited = undefined;
  }

  #fail(cause: Error): void {
    this.#over(cause);
    void this.#session.close();
  }

  #over(cause: Error | undefined): void {
    this.#awaited?.resolve();
    this.#awaited = undefined;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isBack();
    this.#events.over(cause);
  }

  #isBack(): void {
    this.#endAway?.();
    this.#away = undefined;
  }
}

/** The room says no. */
export class RefusedByRoom extends Error {}

/** The room is gone, or was restarted while a line was on its way. The message has the line. */
export class NotSaid extends Error {}

function read(payload: Uint8Array): unknown {
  return JSON.parse(decoder.decode(payload));
}
