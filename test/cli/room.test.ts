import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CloseCode } from "millrace";
import { type ClientOptions, type ClientSession, connect, FailureCode } from "millrace/client";
import { type Connect, RoomClient, type RoomEvents } from "#internal/cli/room_client.js";
import { RoomServer } from "#internal/cli/room_server.js";
import type { Entrance, Line, Move, Participant } from "#internal/cli/room_words.js";
import { until } from "../kit/until.js";
import { authority, identity } from "../transport/suite/kit.js";

const free = { host: "127.0.0.1", port: 0, httpPort: 0, tcpPort: 0, tls: identity };

async function startRoom(t: TestContext, options = {}): Promise<RoomServer> {
  const server = await RoomServer.start({ ...free, ...options });
  t.after(() => server.close());
  return server;
}

/** One in the room, and all that it was told. */
class Guest implements RoomEvents {
  readonly entrances: Entrance[] = [];
  readonly lines: [line: Line, own: boolean][] = [];
  readonly moves: Move[] = [];
  readonly ends: (Error | undefined)[] = [];
  /** What happened to the connection. */
  readonly course: string[] = [];
  participants: readonly Participant[] = [];
  client!: RoomClient;
  session!: ClientSession;

  static async enter(t: TestContext, url: string, name: string, attempts?: number): Promise<Guest> {
    const guest = new Guest();
    const client: ClientOptions = { tls: { ca: authority.certificate } };
    const connectGuest: Connect = async (...given) => {
      guest.session = await connect(...given);
      return guest.session;
    };
    const options = attempts === undefined ? { name, client } : { name, client, attempts };
    guest.client = await RoomClient.enter(connectGuest, url, options, guest);
    t.after(() => guest.client.leave());
    return guest;
  }

  get name(): string {
    return this.entrances.at(-1)!.you.name;
  }

  get heard(): string[] {
    return this.lines.map(([{ from, text }]) => `${from.name}: ${text}`);
  }

  entered(entrance: Entrance): void {
    this.entrances.push(entrance);
  }
  said(line: Line, own: boolean): void {
    this.lines.push([line, own]);
  }
  moved(move: Move): void {
    this.moves.push(move);
  }
  roster(participants: readonly Participant[]): void {
    this.participants = participants;
  }
  missed(): void {
    this.course.push("missed");
  }
  leaving(): void {
    this.course.push("leaving");
  }
  lost(): void {
    this.course.push("lost");
  }
  back(): void {
    this.course.push("back");
  }
  over(cause: Error | undefined): void {
    this.ends.push(cause);
  }
}

describe("the room", () => {
  test("is one for members of every transport: what one says all hear, and who comes late hears it, too", async (t) => {
    const { urls } = await startRoom(t);
    const guests: Guest[] = [];
    for (const [n, url] of [urls.quic, urls.wss, urls.ws, urls.tcp].entries()) {
      const guest = await Guest.enter(t, url, `guest-${n}`);
      guests.push(guest);
      await guest.client.say(`from ${new URL(url).protocol}`);
    }
    const all = ["guest-0: from quic:", "guest-1: from wss:", "guest-2: from ws:", "guest-3: from tcp:"];
    for (const [n, guest] of guests.entries()) {
      await until("all is heard", () => guest.lines.length === all.length);
      assert.deepEqual(guest.heard, all);
      assert.deepEqual(
        guest.lines.map(([, own]) => own),
        all.map((_, index) => index === n),
      );
    }
    await until("all are listed, with how long their way is", () =>
      guests.every(({ participants }) => participants.filter((who) => who.roundTripMs! > 0).length === 4),
    );
    assert.deepEqual(
      guests[3]!.participants.map(({ name, transport }) => [name, transport]),
      [
        ["guest-0", "quic"],
        ["guest-1", "websocket"],
        ["guest-2", "websocket"],
        ["guest-3", "tcp"],
      ],
    );
  });

  test("tells who comes and who goes", async (t) => {
    const { urls } = await startRoom(t);
    const ada = await Guest.enter(t, urls.tcp, "ada");
    const grace = await Guest.enter(t, urls.ws, "grace");
    await until("grace has come", () => ada.participants.length === 2);
    await grace.client.leave();
    await until("grace has gone", () => ada.participants.length === 1);
    const told = ada.moves.filter(({ who }) => who.name === "grace").map(({ how }) => how);
    assert.deepEqual(told, ["joined", "left"]);
    assert.deepEqual(grace.ends, [undefined]);
  });

  test("tells names apart, and strips them of what cannot be seen", async (t) => {
    const { urls } = await startRoom(t);
    const names: string[] = [];
    for (const name of ["ada", "ada", " a\u0000da\u202e ", "ada"])
      names.push((await Guest.enter(t, urls.tcp, name)).name);
    assert.deepEqual(names, ["ada", "ada 2", "a da", "ada 3"]);
  });

  test("refuses bad input with its reason, and no harm is done", async (t) => {
    const { urls } = await startRoom(t);
    const grace = await Guest.enter(t, urls.tcp, "grace");
    const mallory = await Guest.enter(t, urls.tcp, "mallory");
    await assert.rejects(mallory.client.say("x".repeat(2_001)), /"text" is longer than 2000/);
    await assert.rejects(mallory.client.say(" \u0007 "), /"text" is empty/);
    const { session } = mallory;
    assert.equal((await session.request("room.shut")).status, "failure");
    await assert.rejects(session.subscribe("room.>"), { code: FailureCode.forbidden });
    await assert.rejects(session.publish("room.lines", "not said"), { code: FailureCode.forbidden });
    await assert.rejects(Guest.enter(t, urls.tcp, "n".repeat(33)), /"name" is longer than 32/);
    await assert.rejects(connect(urls.tcp), /"name" is missing/);
    await mallory.client.say("done");
    await until("that is heard", () => grace.lines.length === 1);
    assert.deepEqual(grace.heard, ["mallory: done"]);
  });

  test("refuses who floods, hears it again after a pause, and sends it away when it goes on", async (t) => {
    const { urls } = await startRoom(t);
    const [ada, grace] = [await Guest.enter(t, urls.tcp, "ada"), await Guest.enter(t, urls.tcp, "grace")];
    const results = await Promise.allSettled(Array.from({ length: 60 }, (_, n) => ada.client.say(`${n}`)));
    const refused = results.filter(({ status }) => status === "rejected").length;
    assert.ok(refused >= 20 && refused < 60, `${refused} refused`);
    await until("it may speak again", () =>
      ada.client.say("sorry").then(
        () => true,
        () => false,
      ),
    );
    await until("that is heard", () => grace.heard.at(-1) === "ada: sorry");
    const replies = Array.from({ length: 400 }, () => ada.session.request("room.say", "and on"));
    await until("it is sent away", () => ada.course.includes("lost"));
    await ada.client.leave();
    await Promise.allSettled(replies);
    assert.deepEqual(grace.course, []);
  });
});

describe("a member of the room", () => {
  test("that loses its connection is back, has missed nothing, and has not left", async (t) => {
    const { urls } = await startRoom(t);
    const ada = await Guest.enter(t, urls.quic, "ada");
    const grace = await Guest.enter(t, urls.ws, "grace");
    await grace.client.say("before");
    await until("ada hears it", () => ada.lines.length === 1);
    ada.session.abandon();
    const said = ada.client.say("from nowhere");
    await grace.client.say("meanwhile");
    await said;
    await until("both have heard all", () => ada.lines.length === 3 && grace.lines.length === 3);
    assert.deepEqual(ada.heard.toSorted(), grace.heard.toSorted());
    await until("it is back", () => ada.course.length === 2);
    assert.deepEqual(ada.course, ["lost", "back"]);
    assert.equal(ada.entrances.length, 1);
    assert.ok(!grace.moves.some(({ how }) => how === "left"));
    await until("the roster has both", () => grace.participants.length === 2);
  });

  test("is told that the room stops, finds the next one, and that what it said is not there any more", async (t) => {
    const first = await RoomServer.start(free);
    const { urls } = first;
    const ada = await Guest.enter(t, urls.ws, "ada");
    await ada.client.say("to the first");
    await ada.client.heard(1);
    await first.close();
    await until("it has lost the first", () => ada.course.includes("lost"));
    assert.deepEqual(ada.course, ["leaving", "lost"]);
    await startRoom(t, { httpPort: Number(new URL(urls.ws).port) });
    await until("it has entered again", () => ada.entrances.length === 2);
    await until("it knows of the gap", () => ada.course.at(-1) === "missed");
    await ada.client.say("to the second");
    await until("that is heard", () => ada.heard.at(-1) === "ada: to the second");
  });

  test("gives up where the room stays away, and says why", async (t) => {
    const server = await RoomServer.start(free);
    const ada = await Guest.enter(t, server.urls.tcp, "ada", 2);
    await server.close();
    await until("it is over", () => ada.ends.length === 1);
    assert.match(ada.ends[0]!.message, /nothing listens|closed the connection/);
    await assert.rejects(ada.client.say("anybody?"));
  });

  test("that ends its session does not come back", async (t) => {
    const { urls } = await startRoom(t);
    const ada = await Guest.enter(t, urls.tcp, "ada");
    await ada.session.close({ code: CloseCode.normal });
    await until("it is over", () => ada.ends.length === 1);
    assert.deepEqual(ada.course, []);
  });
});
