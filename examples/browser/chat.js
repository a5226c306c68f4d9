// A chat room without a framework, for trains: what is said while there is no network waits in the page, and in
// localStorage, so that it is not lost either when the page is closed. The room hears each line once.
import { connect } from "millrace/client";

const find = (id) => document.getElementById(id);
const [status, lines, form, text] = ["status", "lines", "say", "text"].map(find);

/** What was said here and has not been heard in the room yet, by id. */
const outbox = new Map(JSON.parse(localStorage.getItem("outbox") ?? "[]"));
let session;

for (const line of outbox.values()) show(line, "waiting");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const line = { id: crypto.randomUUID(), text: text.value };
  form.reset();
  outbox.set(line.id, line);
  keep();
  show(line, "waiting");
  if (session !== undefined) say(line); // while it has no connection it keeps what is said
});

const handlers = {
  /** A session that goes on sends by itself what waits in it; a new one knows of nothing. */
  connected(now, { resumed }) {
    session = now;
    status.textContent = "online";
    if (!resumed) for (const line of outbox.values()) say(line);
  },
  disconnected() {
    status.textContent = "offline";
  },
  publication(_session, publication) {
    const line = JSON.parse(publication.text());
    if (outbox.delete(line.id)) keep();
    show(line, "heard");
  },
  gap() {
    status.textContent = "online; lines were missed";
  },
  close(_session, { reason }) {
    status.textContent = `over: ${reason}`;
  },
};

function say(line) {
  session.send(JSON.stringify(line));
}

function keep() {
  localStorage.setItem("outbox", JSON.stringify([...outbox]));
}

/** A line is there once, however often it is heard of. What others wrote goes in as text, never as HTML. */
function show({ id, text: words }, className) {
  const item = find(id) ?? document.createElement("li");
  Object.assign(item, { id, className, textContent: words });
  if (className === "heard" || !item.isConnected) lines.append(item);
}

const url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`;
await connect(url, { reconnect: { initial: true, delayMs: 500, maxDelayMs: 5_000 } }, handlers);
await session.subscribe("room", { from: "oldest" });
