// A middleware of one's own: it binds client ids, keeps clients out of what staff alone may ask, and counts what goes out.
import { connect } from "millrace/client";
import { createServer, RequestFailure, refuse } from "millrace/server";

const badges = new Map([["b-17", "ada"]]);
let sentBytes = 0;

const badge = {
  name: "badge",
  // Whoever shows a badge is whom it names, whatever id the client asks for.
  async connect(hello, context, next) {
    const name = badges.get(hello.tokenText);
    if (name === undefined) return refuse();
    context.clientId = name;
    return next(); // what `authenticate` says
  },
  // Not `async`, so that handlers which are not either run at once.
  incoming(session, incoming, next) {
    if (incoming.subject?.startsWith("staff.")) throw new RequestFailure(`not for ${session.clientId}`);
    return next();
  },
  outgoing(_session, outgoing, next) {
    sentBytes += outgoing.payload.length;
    return next();
  },
  close(session, end, next) {
    console.log(`${session.clientId} is gone, by ${end.by}`);
    return next();
  },
};

let gone;
const closed = new Promise((resolve) => {
  gone = resolve;
});
const server = await createServer(
  { listen: "tcp://127.0.0.1:0", middleware: [badge] },
  {
    requests: { whoami: (session) => session.clientId, "staff.keys": () => "never reached" },
    close: () => gone(),
  },
);

const client = await connect(server.urls[0], { clientId: "root", token: "b-17" });
console.log((await client.request("whoami")).text());
const { status, reason } = await client.request("staff.keys");
console.log(`staff.keys: ${status}: ${reason}`);
await client.close();
await closed;
console.log(`${sentBytes} bytes went out`);
await connect(server.urls[0], { token: "b-18" }).catch((error) => console.log(error.code));
await server.close();
