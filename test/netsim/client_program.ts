// A client at one end of a network of namespaces.
import { createHash, randomBytes } from "node:crypto";
import { connect as connectForMessages } from "millrace";
import * as quic from "millrace/quic";
import { answerCalls } from "../kit/program.js";

interface Transfer {
  readonly digest: string;
  readonly answer: string;
}

let connection: quic.QuicConnection;
let transfer: Promise<Transfer> | undefined;

/** Sends so many random bytes on a stream. */
async function send(bytes: number): Promise<Transfer> {
  const stream = connection.openStream();
  const writer = stream.toDuplex();
  const hash = createHash("sha256");
  const block = randomBytes(1024 * 1024);
  const answer = (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of writer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString("hex");
  })();
  for (let sent = 0; sent < bytes; sent += block.length) {
    block.writeUInt32LE(sent); // no two blocks are the same
    const copy = Buffer.from(block.subarray(0, Math.min(block.length, bytes - sent)));
    hash.update(copy);
    if (!writer.write(copy)) await new Promise((resolve) => writer.once("drain", resolve));
  }
  writer.end();
  return { digest: hash.digest("hex"), answer: await answer };
}

interface Messages {
  readonly url: string;
  readonly tls: quic.ClientTlsOptions;
  readonly count: number;
}

/** Sends numbered messages, and reads the numbers that come back. */
async function echoMessages({ url, tls, count }: Messages): Promise<number[]> {
  const client = await connectForMessages(url, {}, { tls });
  const numbers: number[] = [];
  const received = (async () => {
    for await (const message of client) {
      numbers.push(new DataView(message.buffer, message.byteOffset).getUint32(0));
      if (numbers.length === count) return;
    }
  })();
  for (let number = 0; number < count; number++) {
    const message = new Uint8Array(500);
    new DataView(message.buffer).setUint32(0, number);
    while (client.send(message) === "dropped") await new Promise((resolve) => setImmediate(resolve));
  }
  await received;
  await client.close({ graceful: false });
  return numbers;
}

answerCalls({
  async connect({ url, options }: { url: string; options: quic.QuicConnectOptions }) {
    connection = await quic.connect(url, options);
    return connection.localAddress;
  },
  begin(bytes: number) {
    transfer = send(bytes);
    transfer.catch(() => {}); // told by `finish`
  },
  finish: () => transfer,
  echoMessages,
  rebind: (options: quic.RebindOptions) => connection.rebind(options),
  statistics: () => connection.statistics(),
  async close() {
    await connection.close({ graceful: false });
  },
});
