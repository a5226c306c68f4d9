/**
 * A process that ends in the way its second argument names, once bytes flow. First argument: `server` or `client`
 * with endpoints of a peer, as JSON in MILLRACE_TRAFFIC; a server prints its own and waits for traffic.
 */
import { connect, listen } from "millrace";
import { type Credentials, type Endpoints, listenForTraffic, makeTraffic } from "./traffic.js";

interface Task {
  readonly credentials: Credentials;
  readonly peer: Endpoints;
}

const [role, how] = process.argv.slice(2);
const { credentials, peer } = JSON.parse(process.env.MILLRACE_TRAFFIC!) as Task;
const { ca, ...tls } = credentials;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Says whether the event loop has a reason to go on: without one, the timer is never reached. */
function tellWhetherAlive(): void {
  process.once("beforeExit", () => say("nothing left to do"));
  setTimeout(say, 200, "still going").unref();
}

/** Called with bytes on their way. */
function end(): void {
  switch (how) {
    case "exit":
      process.exit(7);
      break;
    case "throw":
      throw new Error("thrown on purpose");
    case "signal":
      say("flowing");
      break;
    default:
      throw new Error(`no such end: ${how}`);
  }
}

switch (role) {
  case "client":
    await makeTraffic(peer, ca, end);
    break;
  case "server": {
    // The parent's client calls for the end: it knows that bytes flow.
    const { url, rawPort } = await listenForTraffic(credentials);
    say(JSON.stringify({ url, rawPort }));
    process.stdin.once("data", end);
    break;
  }
  case "closes": {
    // Nothing is left open, so the process has no reason to go on.
    const listener = await listen("quic://127.0.0.1:0", {}, { tls });
    const connection = await connect(listener.urls[0]!, {}, { tls: { ca } });
    connection.send(Buffer.from("last words"));
    await connection.close();
    await listener.close();
    break;
  }
  case "listens":
    await listen("quic://127.0.0.1:0", {}, { tls });
    tellWhetherAlive();
    break;
  case "connected": {
    await connect(peer.url, {}, { tls: { ca } });
    tellWhetherAlive();
    break;
  }
  default:
    throw new Error(`no such role: ${role}`);
}
