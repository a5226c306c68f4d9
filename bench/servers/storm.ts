// A server of sessions that begins to listen when it is told to: `listen {"url", "refuseForMs", "retryAfterMs"}` answers
// with its URL and the time, and lets nobody in for so long; `refusals` says how many it has refused; `close {"spreadMs"}`
// ends it as servers end that are begun anew.
import { createInterface } from "node:readline";
import { createServer, RejectCode, refuse, type Server } from "millrace/server";

interface Listen {
  readonly url: string;
  readonly refuseForMs: number;
  readonly retryAfterMs: number;
}

let server: Server | undefined;
let refused = 0;

async function listen({ url, refuseForMs, retryAfterMs }: Listen): Promise<object> {
  const refusesUntilMs = Date.now() + refuseForMs;
  server = await createServer(
    { listen: url },
    {
      authenticate: () => {
        if (Date.now() >= refusesUntilMs) return undefined;
        refused += 1;
        return refuse("not ready yet", { code: RejectCode.full, retryAfterMs });
      },
    },
  );
  return { url: server.urls[0], atMs: Date.now() };
}

async function answer(line: string): Promise<object> {
  const [command = "", given = "{}"] = line.split(/ (.*)/s);
  if (command === "listen") return listen(JSON.parse(given) as Listen);
  if (command === "refusals") return { refused };
  await server!.close(JSON.parse(given) as { spreadMs: number });
  return { closed: true };
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

createInterface({ input: process.stdin })
  .on("line", async (line) => say(await answer(line)))
  .on("close", () => process.exit(0));
say({ ready: true });
