/**
 * Messages of 64 bytes from one thread to another: through the inbox of a session, or by postMessage. Prints one line of
 * JSON. Arguments: which of the two, how many messages.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { SessionHandle } from "#internal/session/handle.js";
import { Sessions, type SharedSessions } from "#internal/session/sessions.js";

interface Task {
  readonly messages: number;
  /** Absent: by postMessage. */
  readonly shared?: SharedSessions;
  readonly target?: SessionHandle;
}

const bytesPerMessage = 64;
/** So many are sent before the event loop has its turn, and the other side can say that it has had them. */
const burst = 1_000;
/** More are not on their way at once by postMessage, whose queue has no bound of its own. */
const maxQueued = 50_000;

/** Counts what comes, in the order in which it was sent, and says how fast it all was. */
class Tally {
  readonly #messages: number;
  readonly #begunMs = performance.now();
  #seen = 0;

  constructor(messages: number) {
    this.#messages = messages;
  }

  get seen(): number {
    return this.#seen;
  }

  take(bytes: Uint8Array): void {
    if (bytes.length !== bytesPerMessage || bytes[0] !== (this.#seen & 0xff))
      throw new Error("a message is lost");
    this.#seen += 1;
    if (this.#seen < this.#messages) return;
    const seconds = (performance.now() - this.#begunMs) / 1000;
    console.log(JSON.stringify({ messagesPerSecond: this.#messages / seconds }));
    process.exit(0);
  }
}

function receiveByInbox(messages: number): void {
  let tally: Tally | undefined;
  const sessions = Sessions.create(
    { maxSessions: 16, maxEnvironments: 2, inboxBytes: 1 << 20 },
    {
      message(_handle, _kind, bytes) {
        tally ??= new Tally(messages);
        tally.take(bytes);
      },
    },
  );
  const task: Task = { messages, shared: sessions.shared, target: sessions.allocate() };
  new Worker(new URL(import.meta.url), { workerData: task });
}

function sendByInbox({ messages, shared, target }: Required<Task>): void {
  const bytes = new Uint8Array(bytesPerMessage);
  let sent = 0;
  const send = (): void => {
    while (sent < messages) {
      bytes[0] = sent;
      const result = sessions.sendTo(target, 1, bytes);
      if (result === "sent" || result === "blocked") sent += 1;
      if (result !== "sent") return;
    }
  };
  const sessions = Sessions.join(shared, { drain: send });
  parentPort!.on("message", () => {}); // stays until the process ends
  send();
}

function receiveByPost(messages: number): void {
  let tally: Tally | undefined;
  const worker = new Worker(new URL(import.meta.url), { workerData: { messages } satisfies Task });
  worker.on("message", (bytes: Uint8Array) => {
    tally ??= new Tally(messages);
    tally.take(bytes);
    if (tally.seen % burst === 0) worker.postMessage(tally.seen);
  });
}

function sendByPost({ messages }: Task): void {
  const bytes = new Uint8Array(bytesPerMessage);
  let sent = 0;
  let taken = 0;
  const send = (): void => {
    for (; sent < messages && sent - taken < maxQueued; sent += 1) {
      bytes[0] = sent;
      parentPort!.postMessage(bytes);
    }
  };
  parentPort!.on("message", (count: number) => {
    taken = count;
    send();
  });
  send();
}

if (isMainThread) {
  const [way, messages] = process.argv.slice(2);
  (way === "inbox" ? receiveByInbox : receiveByPost)(Number(messages));
} else {
  const task = workerData as Task;
  if (task.shared === undefined) sendByPost(task);
  else sendByInbox(task as Required<Task>);
}
