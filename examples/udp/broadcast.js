// Three on a LAN tell each other how they are, without a server.
import { openBroadcast } from "millrace/udp";

const lan = { secret: "this one is in a guide: make another", port: 41_433 };

const [one, two, three] = await Promise.all([1, 2, 3].map(() => openBroadcast(lan)));

one.send(new TextEncoder().encode("21.5"), { subject: "temperature" });

for (const other of [two, three]) {
  for await (const { subject, payload } of other) {
    console.log(`${subject}: ${new TextDecoder().decode(payload)}`);
    break;
  }
}

await Promise.all([one, two, three].map((party) => party.close()));
