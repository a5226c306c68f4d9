import assert from "node:assert/strict";
import { test } from "node:test";
import type { CloseOptions, ConnectionState, SendResult } from "millrace";
import type { Member, RoomConnection } from "#internal/cli/member.js";
import { Room, type RoomOptions } from "#internal/cli/room.js";
import { encodeMessage, type MessageFromRoom, type RequestToRoom } from "#internal/cli/room_message.js";

/** A room on a clock of the test's own. */
class Scene {
  readonly room: Room;
  now = 0;

  constructor(options: RoomOptions = {}) {
    this.room = new Room({ ...options, now: () => this.now });
  }

  enter(transport = "quic"): Guest {
    const guest = new Guest(this.room, transport);
    this.room.open(guest);
    return guest;
  }

  /** A guest who has joined, and has read what the room said to that. */
  join(name: string): Guest {
    const guest = this.enter();
    guest.ask({ type: "join", name });
    guest.heard.length = 0;
    return guest;
  }
}

class Guest implements RoomConnection {
  readonly transport: string;
  data!: Member;
  state: ConnectionState = "open";
  heard: MessageFromRoom[] = [];
  answer: SendResult = "sent";
  readonly #room: Room;
  #closeCode: number | undefined;

  constructor(room: Room, transport: string) {
    this.#room = room;
    this.transport = transport;
  }

  send(bytes: Uint8Array): SendResult {
    if (this.answer !== "dropped") this.heard.push(JSON.parse(Buffer.from(bytes).toString()));
    return this.answer;
  }

  close(options: CloseOptions = {}): Promise<never> {
    this.#closeCode = options.code;
    this.leave();
    return new Promise(() => {});
  }

  closeCode(): number | undefined {
    return this.#closeCode;
  }

  leave(): void {
    this.state = "closed";
    this.#room.close(this);
  }

  ask(request: RequestToRoom): void {
    this.#room.message(this, encodeMessage(request));
  }

  sendRaw(text: string | Uint8Array): void {
    this.#room.message(this, Buffer.from(text as string));
  }

  all<T extends MessageFromRoom["type"]>(type: T): Extract<MessageFromRoom, { type: T }>[] {
    return this.heard.filter((message) => message.type === type) as Extract<MessageFromRoom, { type: T }>[];
  }
}

test("what one participant says all hear, also the speaker, and nobody who has not joined", () => {
  const scene = new Scene();
  const [ada, grace, silent] = [scene.join("ada"), scene.join("grace"), scene.enter()];
  ada.ask({ type: "say", text: "hello" });
  for (const guest of [ada, grace]) {
    assert.deepEqual(
      guest.all("said").map(({ from, text }) => [from.name, text]),
      [["ada", "hello"]],
    );
  }
  assert.deepEqual(silent.heard, []);
  silent.ask({ type: "say", text: "let me in" });
  assert.deepEqual(silent.heard, [{ type: "refused", reason: "join first" }]);
  assert.equal(ada.all("said").length, 1);
});

test("the round trip is measured through the message path, from the first answer on, and smoothed", () => {
  const scene = new Scene();
  const ada = scene.enter("websocket");
  ada.ask({ type: "join", name: "ada" });
  const [ping] = ada.all("ping");
  scene.now += 40;
  ada.ask({ type: "pong", id: ping!.id + 1 });
  assert.equal(scene.room.participants[0]!.roundTripMs, null, "an answer to no question");
  ada.ask({ type: "pong", id: ping!.id });
  const expected = { id: 1, name: "ada", transport: "websocket", roundTripMs: 40 };
  assert.deepEqual(ada.all("roster").at(-1)!.participants, [expected]);
  ada.ask({ type: "pong", id: ping!.id });
  scene.room.measure();
  scene.now += 80;
  ada.ask({ type: "pong", id: ada.all("ping").at(-1)!.id });
  assert.equal(scene.room.participants[0]!.roundTripMs, 50);
});

test("a ping of a participant is answered with its number", () => {
  const ada = new Scene().join("ada");
  ada.ask({ type: "ping", id: 77 });
  assert.deepEqual(ada.heard, [{ type: "pong", id: 77 }]);
});

test("names are told apart, and stripped of what cannot be seen", () => {
  const scene = new Scene();
  for (const name of ["ada", "ada", " a\u0000da\u202e ", "ada"]) scene.join(name);
  assert.deepEqual(
    scene.room.participants.map(({ name }) => name),
    ["ada", "ada 2", "a da", "ada 3"],
  );
});

test("bad input is refused with its reason, and harms nobody", () => {
  const scene = new Scene({ messagesPerSecond: 100 });
  const [ada, grace] = [scene.join("ada"), scene.join("grace")];
  const bad = [
    "",
    "null",
    "[]",
    "{",
    '"say"',
    '{"type":"shout"}',
    '{"type":"say"}',
    '{"type":"say","text":7}',
    '{"type":"say","text":" \\u0007 "}',
    `{"type":"say","text":"${"x".repeat(2_001)}"}`,
    '{"type":"join","name":"again"}',
    '{"type":"pong","id":"1"}',
    new Uint8Array([0xff, 0xfe]),
  ];
  for (const text of bad) ada.sendRaw(text);
  assert.equal(ada.all("refused").length, bad.length);
  assert.deepEqual(grace.all("said"), []);
  const nameless = scene.enter();
  nameless.sendRaw(`{"type":"join","name":"${"n".repeat(33)}"}`);
  assert.match(nameless.all("refused")[0]!.reason, /longer than 32/);
});

test("who floods is refused, is heard again after a pause, and is sent away when it goes on", () => {
  const scene = new Scene({ messagesPerSecond: 10 });
  const [ada, grace] = [scene.join("ada"), scene.join("grace")];
  for (let n = 0; n < 30; n += 1) ada.ask({ type: "say", text: `${n}` });
  assert.equal(grace.all("said").length, 19, "twice the rate at once; joining was one");
  assert.equal(ada.all("refused").length, 11);
  scene.now += 3_000;
  ada.ask({ type: "say", text: "sorry" });
  assert.equal(grace.all("said").at(-1)!.text, "sorry");
  for (let n = 0; n < 200 && ada.state === "open"; n += 1) ada.ask({ type: "say", text: `${n}` });
  assert.equal(ada.closeCode(), 5);
  assert.deepEqual(
    scene.room.participants.map(({ name }) => name),
    ["grace"],
  );
});

test("who is slow gets no rosters, and learns how many lines it missed", () => {
  const scene = new Scene();
  const [ada, slow] = [scene.join("ada"), scene.join("slow")];
  slow.answer = "blocked";
  ada.ask({ type: "say", text: "accepted, and now the queue is full" });
  slow.answer = "dropped";
  ada.ask({ type: "say", text: "missed" });
  ada.ask({ type: "say", text: "missed too" });
  slow.answer = "sent";
  scene.room.measure();
  assert.deepEqual(
    slow.heard.map(({ type }) => type),
    ["said"],
  );
  scene.room.drain(slow);
  assert.deepEqual(
    slow.heard.slice(1).map(({ type }) => type),
    ["missed", "roster"],
  );
  assert.deepEqual(slow.all("missed"), [{ type: "missed", lines: 2 }]);
});

test("a full room closes whom it cannot take, and has room again when somebody leaves", () => {
  const scene = new Scene({ maxParticipants: 1 });
  const ada = scene.join("ada");
  const late = scene.enter();
  assert.equal(late.closeCode(), 7);
  ada.leave();
  assert.equal(scene.enter().closeCode(), undefined);
});

test("a connection that never joins is closed", () => {
  const scene = new Scene();
  const [silent, ada] = [scene.enter(), scene.join("ada")];
  scene.now = 9_000;
  scene.room.measure();
  assert.equal(silent.closeCode(), undefined);
  scene.now = 11_000;
  scene.room.measure();
  assert.equal(silent.closeCode(), 5);
  assert.equal(ada.closeCode(), undefined);
});

test("all learn who comes and who goes", () => {
  const scene = new Scene();
  const ada = scene.join("ada");
  const grace = scene.join("grace");
  assert.equal(ada.all("joined")[0]!.participant.name, "grace");
  grace.leave();
  assert.equal(ada.all("left")[0]!.participant.name, "grace");
  assert.deepEqual(
    ada
      .all("roster")
      .at(-1)!
      .participants.map(({ name }) => name),
    ["ada"],
  );
});
