import {
  type AuthenticateContext,
  type ClientHello,
  type Refusal,
  RequestFailure,
  refuse,
  type Server,
  type ServerBehaviour,
  type ServerRequest,
  type Session,
} from "../server/index.js";
import {
  checkText,
  type Entrance,
  type Move,
  maxNameCharacters,
  maxTextCharacters,
  type Participant,
  type Said,
  subjects,
  topics,
} from "./room_words.js";

/** One in the room, as the room keeps it with its session. */
export interface Member {
  /** 0 until its session has begun. */
  id: number;
  name: string;
  roundTripMs: number | null;
  /** A ping has not been answered yet. */
  isAsked: boolean;
}

/** What a room needs of its server. */
export type RoomServerPart = Pick<Server<Member>, "publish"> & Iterable<Session<Member>>;

/** A room's code for a name that will not do: see `firstApplicationReject`. */
const badName = 256;
/** How much a new measurement counts. RFC 6298 takes 1/8, but this is measured once in seconds. */
const roundTripGain = 1 / 4;
const pingTimeoutMs = 10_000;
const allTopics: readonly string[] = Object.values(topics);
const decoder = new TextDecoder();

/** One shared room: its members' sessions are of any transport. Give it to `createServer`, and call `measure` every few seconds. */
export class Room implements ServerBehaviour<Member> {
  readonly requests = {
    [subjects.me]: (session: Session<Member>) => this.#welcome(session),
    [subjects.say]: (session: Session<Member>, request: ServerRequest) => this.#say(session, request.text()),
    [subjects.ping]: () => undefined,
  };
  /** How many lines of a member are taken for long, as each is told that enters. */
  linesPerSecond: number;
  readonly #now: () => number;
  #server: RoomServerPart | undefined = undefined;
  #lastId = 0;

  /** @param now milliseconds that only grow; tests bring their own. */
  constructor(linesPerSecond: number, now: () => number = () => performance.now()) {
    this.linesPerSecond = linesPerSecond;
    this.#now = now;
  }

  /** Before the first session. */
  attach(server: RoomServerPart): void {
    this.#server = server;
  }

  /** Who is there, in the order they came. */
  get participants(): Participant[] {
    return [...this.#server!]
      .filter(({ state, data }) => state === "open" && data.id > 0)
      .map((session) => participant(session))
      .sort((a, b) => a.id - b.id);
  }

  authenticate({ meta }: ClientHello, _context: AuthenticateContext): Member | Refusal {
    const wanted = meta.get("name");
    if (wanted === undefined) return refuse('"name" is missing from the hello', { code: badName });
    const checked = checkText(decoder.decode(wanted), "name", maxNameCharacters);
    if ("fault" in checked) return refuse(checked.fault, { code: badName });
    return { id: 0, name: checked.text, roundTripMs: null, isAsked: false };
  }

  open(session: Session<Member>): void {
    const { data } = session;
    data.name = this.#freeName(data.name);
    this.#lastId += 1;
    data.id = this.#lastId;
    this.#tell({ who: participant(session), how: "joined" });
    this.#publishRoster();
    void this.#ping(session);
  }

  subscribe(_session: Session<Member>, pattern: string): boolean {
    return allTopics.includes(pattern);
  }

  /** It may come back. */
  detached(): void {
    this.#publishRoster();
  }

  resumed(session: Session<Member>): void {
    this.#publishRoster();
    void this.#ping(session);
  }

  close(session: Session<Member>): void {
    this.#tell({ who: participant(session), how: "left" });
    this.#publishRoster();
  }

  /** Asks every member for its round trip, and tells all the numbers. */
  measure(): void {
    for (const session of this.#server!) void this.#ping(session);
    this.#publishRoster();
  }

  #welcome(session: Session<Member>): string {
    const entrance: Entrance = { you: participant(session), linesPerSecond: this.linesPerSecond };
    return JSON.stringify(entrance);
  }

  /** @throws RequestFailure */
  #say(session: Session<Member>, said: string): string {
    const checked = checkText(said, "text", maxTextCharacters);
    if ("fault" in checked) throw new RequestFailure(checked.fault);
    const line = { from: participant(session), text: checked.text, at: Date.now() };
    const { cursor } = this.#server!.publish(topics.lines, JSON.stringify(line));
    const answer: Said = { sequence: cursor!.sequence }; // in one thread there is one
    return JSON.stringify(answer);
  }

  /** Through the path that messages take, and one at a time. */
  async #ping(session: Session<Member>): Promise<void> {
    const { data } = session;
    if (data.isAsked || session.state !== "open") return;
    data.isAsked = true;
    const askedAt = this.#now();
    const reply = await session
      .request(subjects.ping, "", { timeoutMs: pingTimeoutMs, priority: "high" })
      .catch(() => undefined); // the session is over, or has no room for a question
    data.isAsked = false;
    if (reply?.status !== "success") return;
    const sample = this.#now() - askedAt;
    const before = data.roundTripMs;
    data.roundTripMs = before === null ? sample : before + (sample - before) * roundTripGain;
    // The round trip is shown from the first answer on, not from the next measurement.
    if (before === null) this.#publishRoster();
  }

  /** Names are told apart: a second `ada` becomes `ada 2`. */
  #freeName(wanted: string): string {
    const taken = new Set([...this.#server!].filter(({ data }) => data.id > 0).map(({ data }) => data.name));
    let name = wanted;
    for (let n = 2; taken.has(name); n += 1) name = `${wanted} ${n}`;
    return name;
  }

  #tell(move: Move): void {
    this.#server!.publish(topics.moves, JSON.stringify(move));
  }

  #publishRoster(): void {
    this.#server!.publish(topics.roster, JSON.stringify(this.participants));
  }
}

function participant({ data, transport }: Session<Member>): Participant {
  const { id, name, roundTripMs } = data;
  return { id, name, transport: transport ?? "–", roundTripMs };
}
