// A film that no message could carry: sent in pieces, with progress, over a connection that breaks in the middle.
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "millrace/client";
import { sendLarge, serverReceivesLarge } from "millrace/large";
import { createServer, RequestFailure } from "millrace/server";

const folder = await mkdtemp(join(tmpdir(), "films-"));
const taken = join(folder, "taken");
const film = join(folder, "film");
await writeFile(film, randomBytes(8 * 1024 * 1024));

const server = await createServer(
  { listen: ["tcp://127.0.0.1:0", "ws://127.0.0.1:0"] },
  serverReceivesLarge(
    { authenticate: ({ clientId }) => ({ name: clientId }) },
    {
      async large(session, message) {
        // Before anything of it comes.
        if (!(message.totalBytes <= 100_000_000)) throw new RequestFailure("that is too long", 1_413);
        console.log(`the server takes ${message.about.title}, by ${session.data.name}`);
        const file = await open(taken, "w");
        for await (const chunk of message) await file.write(chunk); // as fast as the disk is
        await file.close();
      },
    },
  ),
);

const [overTcp, overWebSocket] = server.urls;
const client = await connect(overTcp, { clientId: "ada" });
let quarters = 0;
const { size } = await stat(film);
const { bytes } = await sendLarge(client, createReadStream(film), {
  about: { title: "Metropolis" },
  totalBytes: size,
  onProgress({ bytesTaken, totalBytes }) {
    while (bytesTaken * 4 >= totalBytes * (quarters + 1)) {
      quarters += 1;
      console.log(`${quarters * 25} %`);
      if (quarters === 2) client.switchTo(overWebSocket);
    }
  },
});
console.log(
  `${bytes === size && (await readFile(film)).equals(await readFile(taken)) ? "all" : "not all"} of it`,
);

await sendLarge(client, [], { about: { title: "Heimat" }, totalBytes: 400_000_000 }).catch((error) => {
  console.log(`Heimat: ${error.failureCode}, ${error.message}`);
});
await client.close();
await server.close();
await rm(folder, { recursive: true });
