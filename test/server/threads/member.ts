/** The thread behind {@link Member}: a server of a group, which counts what its clients say and counts back to them. */
import { parentPort, workerData } from "node:worker_threads";
import { createServer, type Session } from "millrace/server";
import { enterGroup } from "#internal/server/threads/group.js";
import type { MemberCommand, MemberData, MemberEvent } from "./members.js";

const { group, url, tls } = workerData as MemberData;

interface Count {
  /** What the client is to say next, and what it is told next. */
  next: number;
  told: number;
}

let target = 0;
enterGroup({ group, boundUrls: [], acceptsAlone: true, listens: () => {} });
const server = await createServer<Count>(
  { listen: url, tls, queueBytes: 64 * 1024, resumeWindowMs: 60_000 },
  {
    authenticate: () => ({ next: 0, told: 0 }),
    open: count,
    drain: count,
    message(session, message) {
      const said = new DataView(message.payload.slice().buffer).getUint32(0, true);
      if (said !== session.data.next) tell({ event: "disorder", said, expected: session.data.next });
      session.data.next = said + 1;
      if (session.data.next === target) tell({ event: "heard", count: target });
    },
  },
);

function tell(event: MemberEvent): void {
  parentPort!.postMessage(event);
}

/** Says numbers until it is told to wait, or has said all. */
function count(session: Session<Count>): void {
  while (session.data.told < target) {
    const payload = new Uint8Array(4 + (session.data.told % 7) * 4_000);
    new DataView(payload.buffer).setUint32(0, session.data.told, true);
    const result = session.send(payload);
    if (result === "dropped") return;
    session.data.told += 1;
    if (result === "blocked") return;
  }
}

parentPort!.on("message", (command: MemberCommand) => {
  switch (command.do) {
    case "count":
      target = command.to;
      for (const session of server) count(session);
      break;
    case "exit":
      process.exit();
      break;
    case "throw":
      throw new Error("as it was told");
    case "close":
      void server.close({ graceful: false }).then(() => process.exit());
      break;
  }
});
tell({ event: "listening", url: server.urls[0]! });
