import { connect } from "millrace/client";
import { deflate } from "millrace/compression";

/** What the test looks on at: what has come, what has happened, and what became of what was said. */
const seen = { heard: [], course: [], acknowledged: [], unsure: [] };

const asked = new URLSearchParams(location.search);
const url = asked.get("url");
const heartbeatTimeoutMs = Number(asked.get("heartbeatTimeoutMs"));
const session = await connect(
  url,
  {
    reconnect: { delayMs: 200, maxDelayMs: 1_000 },
    heartbeatMs: 1_000,
    heartbeatTimeoutMs,
    compression: [deflate()],
  },
  {
    message: (_session, message) => void seen.heard.push(Number(message.text())),
    connected: (_session, { resumed }) => void seen.course.push(resumed ? "resumed" : "began"),
    disconnected: () => void seen.course.push("lost"),
    gap: (_session, { topic, messages }) => void seen.course.push(topic ?? `${messages} unsure`),
  },
);

globalThis.talker = {
  seen,
  id: () => session.id,
  /** What the server says to that, and what it took on the wire. */
  async ask(text) {
    const reply = await session.request("echo", text);
    return { text: new TextDecoder().decode(reply.payload), compression: session.compression };
  },
  /** Says numbers, up to the last, without it. */
  say(first, last) {
    for (let number = first; number < last; number += 1) session.send(String(number));
  },
  /** The same, and keeps what becomes of each. */
  sayAcked(first, last) {
    for (let number = first; number < last; number += 1) {
      void session.sendAcked(String(number)).then(({ status }) => {
        (status === "acknowledged" ? seen.acknowledged : seen.unsure).push(number);
      });
    }
  },
};
