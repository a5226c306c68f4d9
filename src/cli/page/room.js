import { RoomConnection } from "./room_connection.js";

const find = (id) => document.getElementById(id);
const [status, log, roster, count] = ["status", "log", "roster", "count"].map(find);
const [join, name, say, text] = ["join", "name", "say", "text"].map(find);

/** More lines than these are forgotten, so that a page left open does not grow. */
const linesKept = 500;

let myName = "";
let myId;

const connection = new RoomConnection(
  `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`,
);

connection.addEventListener("open", () => connection.send({ type: "join", name: myName }));
connection.addEventListener("wait", () => {
  showStatus("lost", "connection lost, trying again…");
  showRoster([]);
  say.querySelector("button").disabled = true;
});
connection.addEventListener("message", ({ detail: message }) => handlers[message.type]?.(message));

const handlers = {
  welcome({ you }) {
    myId = you.id;
    showStatus("connected", `connected as ${you.name}`);
    join.hidden = true;
    say.hidden = false;
    say.querySelector("button").disabled = false;
    text.focus();
  },
  roster: ({ participants }) => showRoster(participants),
  joined: ({ participant }) => addNote(`${participant.name} joined over ${participant.transport}`),
  left: ({ participant }) => addNote(`${participant.name} left`),
  said: ({ from, text }) => addLine(from, text),
  missed: ({ lines }) => addNote(`${lines} ${lines === 1 ? "line was" : "lines were"} missed here`),
  refused: ({ reason }) => addNote(`refused: ${reason}`),
};

join.addEventListener("submit", (event) => {
  event.preventDefault();
  myName = name.value.trim();
  if (myName === "") return;
  sessionStorage.setItem("name", myName);
  showStatus("connecting", "connecting…");
  connection.connect();
  join.querySelector("button").disabled = true;
});

say.addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.value.trim() !== "" && connection.send({ type: "say", text: text.value })) text.value = "";
});

function showStatus(state, words) {
  status.dataset.state = state;
  status.textContent = words;
}

function addLine(from, words) {
  const line = element("li", from.id === myId ? "line own" : "line");
  const head = element("p", "head");
  const time = element("time", "", new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
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
      const row = element("li", id === myId ? "own" : "");
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

function formatRoundTrip(roundTripMs) {
  if (roundTripMs === null) return "–";
  return `${roundTripMs < 10 ? roundTripMs.toFixed(2) : Math.round(roundTripMs)} ms`;
}

/** What others wrote goes in as text, never as HTML. */
function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

name.value = sessionStorage.getItem("name") ?? "";

const { quic } = await (await fetch("/addresses.json")).json();
find("command").textContent = `npm run millrace -- chat ${quic}`;
