// A server that nobody has told its clients the address of: they look for it on the LAN.
import { connect, listen } from "millrace";
import { announce, discover } from "millrace/udp";

const lan = { secret: "this one is in a guide: make another", port: 41_432 };

const listener = await listen("tcp://0.0.0.0:0", {
  message: (connection, message) => connection.send(message),
});
const announcement = await announce({ ...lan, name: "echo", urls: listener.urls });

for await (const service of discover({ ...lan, name: "echo" })) {
  const client = await connect(service.urls[0]);
  client.send(new TextEncoder().encode("found you"));
  for await (const message of client) {
    console.log(`${service.name}: ${new TextDecoder().decode(message)}`);
    break;
  }
  await client.close();
  break;
}

await announcement.close();
await listener.close();
