// A server gives up a client that it has not heard of for too long: two minutes that take no time.
import { once } from "node:events";
import { createPair, installFakeClock } from "millrace/testing";

const clock = installFakeClock();
const events = new EventTarget();
const pair = await createPair({
  relay: true,
  client: { heartbeatMs: 30_000 },
  serverBehaviour: { detached: () => void events.dispatchEvent(new Event("detached")) },
});
await pair.client.request("anything"); // the server has it now

pair.relay.block();
const detached = once(events, "detached");
await clock.advance(120_000);
await detached;
console.log(`the server has ${pair.server.connectionCount} connections`);

clock.uninstall();
await pair.close();
