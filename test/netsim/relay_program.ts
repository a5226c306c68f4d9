// The relay in the middle of a network of namespaces.
import { createRelay, type Relay, type RelayFaults, type RelayOptions } from "millrace/testing";
import { answerCalls } from "../kit/program.js";

let relay: Relay;

answerCalls({
  async open(options: RelayOptions) {
    relay = await createRelay(options);
    return relay.address;
  },
  set: (faults: RelayFaults) => relay.set(faults),
  rebind: () => relay.rebind(),
  counters: () => relay.counters,
});
