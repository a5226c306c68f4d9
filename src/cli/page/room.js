import { connect } from "millrace/client";
import { NotSaid, RefusedByRoom, RoomClient } from "#internal/cli/room_client.js";
import { formatRoundTrip } from "#internal/cli/room_words.js";

const find = (id) => document.getElementById(id);
const [status, log, roster, count] = ["status", "log", "roster", "count"].map(find);
const [join, name, say, text] = ["join", "name", "say", "text"].map(find);

/** More lines than these are forgotten, so that a page left open does not grow. */
const linesKept = 500;
const url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`;

/** A promise of it: a line may be said as soon as we are in, and the roster is still to come. */
let room;
let me;

const events = {
  entered({ you }) {
    me = you;
    showConnected();
    join.hidden = true;
    say.hidden = false;
    text.focus();
  },
  roster: showRoster,
  moved: ({ who, how }) =>
    addNote(how === "joined" ? `${who.name} joined over ${who.transport}` : `${who.name} left`),
  said: addLine,
  missed: () => addNote("lines were missed here"),
  leaving: () => addNote("the room is about to stop"),
  lost() {
    showStatus("lost", "connection lost, trying again…");
    showRoster([]);
    say.querySelector("button").disabled = true;
  },
  back: showConnected,
  over(cause) {
    if (cause !== undefined) showStatus("lost", cause.message);
  },
};

join.addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = name.value.trim();
  if (wanted !== "") void enter(wanted);
});

say.addEventListener("submit", async (event) => {
  event.preventDefault();
  const line = text.value;
  if (line.trim() === "" || status.dataset.state !== "connected") return;
  text.value = "";
  try {
    await (await room).say(line);
  } catch (cause) {
    if (cause instanceof NotSaid) addNote(cause.message);
    else if (cause instanceof RefusedByRoom) addNote(`refused: ${cause.message}`);
  }
});

// So that the others see at once that we are gone; a page that is shown again, as by "back", begins anew.
addEventListener("pagehide", () => {
  room?.then(
    (entered) => entered.leave(),
    () => {},
  );
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

async function enter(wanted) {
  const button = join.querySelector("button");
  button.disabled = true;
  showStatus("connecting", "connecting…");
  try {
    room = RoomClient.enter(connect, url, { name: wanted }, events);
    await room;
    sessionStorage.setItem("name", wanted);
  } catch (cause) {
    room = undefined;
    sessionStorage.removeItem("name");
    showStatus("lost", cause.message);
    button.disabled = false;
  }
}

function showConnected() {
  showStatus("connected", `connected as ${me.name}`);
  say.querySelector("button").disabled = false;
}

function showStatus(state, words) {
  status.dataset.state = state;
  status.textContent = words;
}

function addLine({ from, text: words, at }, own) {
  const line = element("li", own ? "line own" : "line");
  const head = element("p", "head");
  const time = element(
    "time",
    "",
    new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
  );
  head.append(element("strong", "", from.name), badge(from.transport), time);
  line.append(head, element("p", "words", words));
  append(line);
}

function addNote(words) {
  append(element("li", "note", words));
}

/** Keeps the last line in sight, unless the reader has scrolled up. */
function append(line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.children.length > linesKept) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function showRoster(participants) {
  count.textContent = participants.length;
  roster.replaceChildren(
    ...participants.map(({ id, name, transport, roundTripMs }) => {
      const row = element("li", id === me?.id ? "own" : "");
      const delay = element("span", "round-trip", formatRoundTrip(roundTripMs));
      delay.title = "round trip through the room";
      const who = element("span", "name", name);
      who.title = name;
      row.append(who, badge(transport), delay);
      return row;
    }),
  );
}

function badge(transport) {
  const mark = element("span", "badge", transport);
  mark.dataset.transport = transport;
  return mark;
}

/** What others wrote goes in as text, never as HTML. */
function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

// A page that is loaded again goes on.
name.value = sessionStorage.getItem("name") ?? "";
if (name.value !== "") void enter(name.value);

const { quic } = await (await fetch("/addresses.json")).json();
find("command").textContent = `npm run millrace -- chat ${quic}`;
