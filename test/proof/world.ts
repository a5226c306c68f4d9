import { setTimeout as delay } from "node:timers/promises";
import { CloseCode, type Transport } from "millrace";
import { createServer, type Server, type Session } from "millrace/server";
import type { ServerSession } from "#internal/server/server_session.js";
import { until } from "../kit/until.js";
import { identity } from "../transport/suite/kit.js";
import { check } from "./check.js";
import { Journal } from "./journal.js";
import { ask, type Half, marker, note, Player, sendAll, turns } from "./player.js";
import type { Setting, Step } from "./step.js";

/** Where a world's sessions are. */
export interface Roads {
  readonly listen: readonly string[];
  readonly transports: readonly Transport[];
}

const topic = "news.today";
const names = ["ali", "bo"];
/** Sessions that need more connections than that until all is said do not come to rest. */
const maxRounds = 120;

/** How long is waited for what is bound to come, unless something is wrong. */
export interface Patience {
  /** For a step's condition, in milliseconds. */
  readonly stepMs: number;
  /** For those to come to rest who come back by themselves. */
  readonly restMs: number;
}

/** Longer than what is sound takes anywhere, by far. */
const patient: Patience = { stepMs: 60_000, restMs: 30_000 };

const lastWords: Extract<Step, { do: "send" }> = {
  do: "send",
  who: 0,
  way: "down",
  delivery: "ordered",
  priority: "normal",
  key: 0,
  count: 4,
  bytes: 1_500,
  settles: true,
};

/** A server and its clients, real ones, to whom steps happen, and the journal of what they say of it. */
export class World {
  readonly journal = new Journal();
  readonly #setting: Setting;
  readonly #roads: Roads;
  readonly #players: readonly Player[];
  readonly #patience: Patience;
  #server!: Server<unknown>;

  private constructor(
    setting: Setting,
    roads: Roads,
    journal: Journal,
    players: readonly Player[],
    patience: Patience,
  ) {
    this.#setting = setting;
    this.#roads = roads;
    this.#patience = patience;
    this.journal = journal;
    this.#players = players;
  }

  static async begin(setting: Setting, roads: Roads, patience: Patience = patient): Promise<World> {
    const journal = new Journal();
    const players = names.map((name) => new Player(name, journal, setting, roads.transports));
    const world = new World(setting, roads, journal, players, patience);
    await world.#serve();
    for (const [index, player] of players.entries()) await player.connect(index);
    return world;
  }

  async #serve(): Promise<void> {
    const { journal } = this;
    const { async: waits, windowBytes, replayBytes, history, pattern } = this.#setting;
    const take = (session: Session, text: string) => note(journal, text, session.id, session.clientId);
    this.#server = await createServer(
      {
        ...{ listen: this.#roads.listen, transports: this.#roads.transports, tls: identity },
        ...{ maxSessions: 64, windowBytes, replayBytes, queueBytes: 65_536, highWaterMarkBytes: 8_192 },
        ...(history > 0 ? { topics: { history: { [topic]: { count: history } } } } : {}),
      },
      {
        open: (session) => {
          journal.heard(session.clientId!, { behind: journal.published });
          this.#server.subscribe(session, pattern);
        },
        message: waits
          ? async (session, message) => {
              take(session, message.text());
              await turns(3);
            }
          : (session, message) => take(session, message.text()),
        request: waits
          ? async (session, request) => {
              take(session, request.text());
              await turns(3);
              return request.payload;
            }
          : (session, request) => {
              take(session, request.text());
              return request.payload;
            },
        close: (session) => journal.lost(session.clientId!, "down"),
        error: (_session, cause) => journal.faults.push(`server: ${cause}`),
      },
    );
    for (const player of this.#players) await player.reach(this.#server.urls);
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case "send":
        this.#withHalf(step, (half, name) => sendAll(this.journal, half, name, step));
        break;
      case "ask":
        this.#withHalf(step, (half, name) => ask(this.journal, half, name, step.way, step.bytes));
        break;
      case "publish":
        for (let i = 0; i < step.count; i += 1) this.#publish();
        break;
      case "abandon":
        if (step.way === "up") this.#player(step.who).session?.abandon();
        else this.#serverSession(step.who)?.connection?.close({ code: CloseCode.goingAway, graceful: false });
        break;
      case "cut":
        for (const road of this.#player(step.who).roads) road.cut(step.way, step.afterBytes);
        break;
      case "block":
        for (const road of this.#player(step.who).roads) road.block(step.way);
        break;
      case "block UDP":
        for (const road of this.#player(step.who).roads) road.blockUdp();
        break;
      case "rebind":
        for (const road of this.#player(step.who).roads) await road.rebind();
        break;
      case "spoil":
        for (const road of this.#player(step.who).roads) road.spoil();
        break;
      case "mend":
        for (const road of this.#player(step.who).roads) road.mend();
        break;
      case "await":
        await this.#await(this.#player(step.who), step.what);
        break;
      case "resume": {
        const resumed = this.#player(step.who).resume(step.over);
        if (step.waits) await resumed;
        break;
      }
      case "leave":
        await this.#player(step.who).leave(step.over);
        break;
      case "restart":
        await this.#restart(step.graceful, step.meanwhile);
        break;
      case "wait":
        await turns(step.turns);
        if (step.ms > 0) await delay(step.ms);
    }
  }

  /**
   * Lets everything come that is on its way, over connections that hold.
   * @returns what is wrong with what came.
   */
  async rest(): Promise<readonly string[]> {
    let isAtRest = await this.#comesToRest();
    if (isAtRest) {
      // What has no acknowledgement has come when an answer has that was sent behind it.
      this.#sayAll();
      isAtRest = await this.#comesToRest();
    }
    if (!isAtRest) {
      this.journal.faults.push(`no rest: ${this.#players.map((one) => this.#show(one)).join("; ")}`);
    }
    return check(this.journal);
  }

  async #comesToRest(): Promise<boolean> {
    for (const player of this.#players) for (const road of player.roads) road.mend();
    const { reconnects } = this.#setting;
    const deadline = performance.now() + this.#patience.restMs;
    for (let round = 0; reconnects ? performance.now() < deadline : round < maxRounds; round += 1) {
      if (this.#isAtRest()) return true;
      for (const player of this.#players) {
        await player.resuming;
        const { session } = player;
        const needsHelp = session === undefined || (!reconnects && session.state !== "connected");
        if (needsHelp) await player.resume(0);
      }
      await delay(20);
    }
    return false;
  }

  #sayAll(): void {
    for (const player of this.#players) {
      for (const half of [player.session!, this.#sessionOf(player)!]) {
        half.request("ask", marker).catch(() => {}); // it is over, and has come to rest so
      }
    }
  }

  /** How many connections a client's sessions have had. */
  connectionsOf(who: number): number {
    return this.#player(who).connections;
  }

  /** The same of all. */
  get connections(): number {
    return this.#players.reduce((sum, player) => sum + player.connections, 0);
  }

  /** How many connections were lost, or left for others. */
  get drops(): number {
    return this.#players.reduce((sum, { losses, switches }) => sum + losses + switches, 0);
  }

  async end(): Promise<void> {
    for (const player of this.#players) await player.end();
    await this.#server.close({ graceful: false });
  }

  #isAtRest(): boolean {
    return this.#players.every((player) => {
      const client = player.session as unknown as Half;
      return this.#isThere(player) && isIdle(client) && isIdle(this.#sessionOf(player)!);
    });
  }

  async #await(player: Player, what: "lost" | "connected"): Promise<void> {
    const isSo = () => {
      if (what === "lost") return player.lossesSeen < player.losses;
      // Nobody begins another for it.
      if (player.session === undefined && player.resuming === undefined)
        throw new Error("its session is over");
      return this.#isThere(player);
    };
    const { stepMs } = this.#patience;
    await until(`${player.name} is ${what}`, isSo, stepMs).catch((cause) => {
      throw new Error(`${cause.message}: ${this.#show(player)}`, { cause });
    });
    player.lossesSeen = player.losses;
  }

  /** Both ends have the same session, and a connection of it. */
  #isThere(player: Player): boolean {
    const client = player.session;
    const server = this.#sessionOf(player);
    return client?.state === "connected" && server?.state === "open" && client.id === server.id;
  }

  #show(player: Player): string {
    if (player.session === undefined && player.ended !== undefined) {
      const { by, code, reason, error } = player.ended;
      return `${player.name}'s session was ended by ${by}, ${code}: ${error ?? reason}`;
    }
    const client = player.session as unknown as (Half & { state: string }) | undefined;
    return [client, this.#sessionOf(player)]
      .map(
        (half) =>
          half && [
            half.state,
            half.outbound.hasWaiting,
            half.outbound.bytesUnacknowledged,
            half.requestsPending,
          ],
      )
      .join(" | ");
  }

  #player(who: number): Player {
    return this.#players[who % this.#players.length]!;
  }

  #sessionOf({ name }: Player): ServerSession<unknown> | undefined {
    return this.#server.sessionsOf(name).at(-1) as ServerSession<unknown> | undefined;
  }

  #serverSession(who: number): ServerSession<unknown> | undefined {
    return this.#sessionOf(this.#player(who));
  }

  #withHalf(
    { who, way }: { who: number; way: "up" | "down" },
    use: (half: Half, name: string) => void,
  ): void {
    const player = this.#player(who);
    const session = way === "up" ? player.session : this.#serverSession(who);
    if (session !== undefined && session.state !== "closed") use(session as unknown as Half, player.name);
  }

  #publish(): void {
    this.journal.published += 1;
    this.#server.publish(topic, `${this.journal.published}`);
  }

  async #restart(graceful: boolean, meanwhile: number): Promise<void> {
    for (const player of this.#players) await player.resuming;
    const there = graceful ? await this.#whoIsThere() : [];
    for (const player of there) sendAll(this.journal, this.#sessionOf(player)!, player.name, lastWords);
    const closed = this.#server.close({ graceful, spreadMs: 0 });
    await turns(meanwhile);
    await closed;
    for (const player of there) {
      const { session } = player;
      await until("the end is heard", () => session?.state !== "connected", this.#patience.stepMs);
      this.#expectLastWords(player);
    }
    await this.#serve();
  }

  /** Those whose connections hold. */
  async #whoIsThere(): Promise<readonly Player[]> {
    const asked = this.#players.map(async ({ session, roads }) => {
      if (session?.state !== "connected" || roads.some((road) => road.isAtStake)) return false;
      const asked = session.request("ask", marker, { timeoutMs: 1_000 });
      const isThere = (await asked.catch(() => undefined))?.status === "success";
      return isThere && session.state === "connected";
    });
    const there = await Promise.all(asked);
    return this.#players.filter((_, at) => there[at]);
  }

  /** Who is there all the time gets all that the server has accepted before it ends gracefully. */
  #expectLastWords({ name }: Player): void {
    const { sent, came } = this.journal.stream(name, "down", "normal", "ordered");
    const last = sent.filter(({ accepted }) => accepted).at(-1);
    if (last !== undefined && came.at(-1)?.id !== last.id) {
      this.journal.faults.push(
        `${name} was there, and never got ${last.id} of a server that ended gracefully`,
      );
    }
  }
}

function isIdle({ outbound, requestsPending }: Half): boolean {
  return !outbound.hasWaiting && outbound.bytesUnacknowledged === 0 && requestsPending === 0;
}
