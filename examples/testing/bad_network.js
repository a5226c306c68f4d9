// A QUIC connection through a network that loses one datagram in twenty, while its client moves to another port.
import { createPair } from "millrace/testing";

const pair = await createPair({
  scheme: "quic",
  relay: true,
  serverBehaviour: { request: (_session, request) => request.payload },
});
pair.relay.set({ delayMs: 5, lossRate: 0.05, reorderRate: 0.2 });

let answered = 0;
for (let question = 0; question < 20; question += 1) {
  if (question === 10) await pair.relay.rebind();
  const reply = await pair.client.request("echo", `${question}`);
  if (reply.status === "success") answered += 1;
}
console.log(`${answered} of 20 were answered`);
await pair.close();
