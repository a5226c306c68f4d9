/** The application that tests run in several threads: it does what its clients' requests ask for, and tells what it sees. */
import { threadId, workerData } from "node:worker_threads";
import { createServer, type Server, type ServerOptions, type Session } from "millrace/server";

/** What a test asks the application to be. */
export interface AppData {
  readonly options: Partial<ServerOptions> & Pick<ServerOptions, "listen">;
}

const { options } = workerData as AppData;

/** What happened in this thread, for `request("events")`. */
const events: string[] = [];
let server: Server;

const say = (session: Session, what: string): void => {
  events.push(`${what} ${session.clientId}`);
};

/** What a client asks a server to do: with the arguments of its methods, as JSON. */
const methods: Readonly<Record<string, (args: readonly never[]) => unknown>> = {
  sendTo: (args) => server.sendTo(...(args as unknown as Parameters<Server["sendTo"]>)),
  broadcast: (args) => server.broadcast(...(args as unknown as Parameters<Server["broadcast"]>)),
  closeSession: (args) => server.closeSession(...(args as unknown as Parameters<Server["closeSession"]>)),
  async publish(args) {
    const published = server.publish(...(args as unknown as Parameters<Server["publish"]>));
    return (await published.outcome) ?? published;
  },
  revoke: (args) => server.revoke(...(args as unknown as Parameters<Server["revoke"]>)),
  list: (args) => server.list(...(args as unknown as Parameters<Server["list"]>)),
  async request(args) {
    const reply = await server.request(...(args as unknown as Parameters<Server["request"]>));
    if (reply.status !== "success") return reply;
    const meta = reply.meta.map(({ key, value }) => [key, Buffer.from(value).toString()]);
    return { status: reply.status, text: Buffer.from(reply.payload).toString(), meta };
  },
};

createServer(options, {
  open: (session) => say(session, "open"),
  resumed: (session) => say(session, "resumed"),
  close: (session, end) => events.push(`close ${session.clientId} ${end.by} ${end.code} ${end.reason}`),
  message(session, message) {
    if (message.text() === "throw") throw new Error(`thread ${threadId} was asked to throw`);
    if (message.text() === "exit") process.exit(7);
    if (message.text() === "spin") for (;;);
    session.send(message.payload);
  },
  requests: {
    thread: () => String(threadId),
    id: (session) => session.id,
    events: () => JSON.stringify(events),
    count: () => String(server.sessionCount),
    call: async (_session, request) => {
      const { method, args } = request.json() as { method: string; args: never[] };
      return JSON.stringify((await methods[method]!(args)) ?? null);
    },
  },
  subscribe: () => true,
  publish: () => true,
}).then(
  (made) => {
    server = made;
  },
  (cause) => {
    setImmediate(() => {
      throw cause;
    });
  },
);
