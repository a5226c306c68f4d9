import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openFramed } from "../../kit/framed_pair.js";
import { until } from "../../kit/until.js";
import { authority, identity, type SuiteKit } from "./kit.js";

/** Lanes below messages: the same frames arrive on every transport, whether or not it has lanes. */
export function describeLanes({ transport }: SuiteKit): void {
  describe("lanes", () => {
    test("keep their order each, both ways, with frames small and large", async (t) => {
      const lanes = [0, 1, 2, 3, 8, 9, 15];
      const count = 100;
      const { client, server } = await openFramed(t, transport.url, {
        identity,
        ca: authority.certificate,
        transports: transport.transports,
      });
      server.onFrame = ({ lane, number }) => server.send(lane, number, (number % 10) * 2_000);
      for (let number = 0; number < count; number++) {
        for (const lane of lanes) client.send(lane, number, number % 50 === 49 ? 100_000 : number);
      }
      await until("all have come back", () => client.heard.length === lanes.length * count);
      for (const end of [client, server]) {
        for (const lane of lanes) assert.deepEqual(end.of(lane), [...Array(count).keys()], `lane ${lane}`);
      }
    });
  });
}
