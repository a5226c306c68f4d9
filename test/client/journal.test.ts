import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TransportConnection } from "millrace";
import type { Route } from "#internal/client/carried.js";
import { Journal, type SwitchCause } from "#internal/client/journal.js";
import { VirtualTime } from "../kit/virtual_time.js";

/** With the moments that a session would tell it. */
function journal() {
  const time = new VirtualTime();
  const totals = { messagesSent: 0, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 };
  const kept = new Journal();
  const now = () => ({ nowMs: time.now(), dateMs: 1_000 + time.now(), totals: { ...totals } });
  return {
    ...{ time, totals, kept },
    begin: (connection: TransportConnection) => kept.begin(connection, now()),
    end: (roundTripMs?: number) => kept.end(roundTripMs, now()),
    arrived: (...change: [Route, SwitchCause]) => kept.arrived(...change, now()),
    transports: () => kept.transports(undefined, now),
  };
}

const on = (transport: string, measure?: TransportConnection["measure"]) =>
  ({ transport, measure }) as TransportConnection;
const route = (transport: string) => ({ transport, url: `${transport}://a:1` });

describe("the journal of a session", () => {
  it("gives each transport the time, and what was done while it carried the session", async () => {
    const { time, totals, begin, end, transports } = journal();
    begin(on("tcp"));
    time.advance(100);
    Object.assign(totals, { messagesSent: 3, bytesSent: 30, messagesReceived: 2, bytesReceived: 20 });
    end(7);
    time.advance(1_000); // without a connection
    totals.messagesReceived = 3;
    begin(on("websocket"));
    time.advance(10);
    totals.messagesSent = 4;
    end();
    begin(on("tcp"));
    time.advance(1);
    totals.messagesSent = 6;
    const [tcp, webSocket, ...others] = await transports();
    assert.deepEqual(others, []);
    const none = { failures: 0, losses: 0, packetsSent: undefined, retransmissions: undefined };
    assert.deepEqual(tcp, {
      ...{ transport: "tcp", connections: 2, connectedMs: 101, roundTripMs: 7, ...none },
      ...{ messagesSent: 5, bytesSent: 30, messagesReceived: 2, bytesReceived: 20 },
    });
    assert.deepEqual(webSocket, {
      ...{ transport: "websocket", connections: 1, connectedMs: 10, roundTripMs: undefined, ...none },
      ...{ messagesSent: 1, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 },
    });
  });

  it("counts tries that failed and connections that were lost by their transport", async () => {
    const { kept, begin, end, transports } = journal();
    kept.failed("quic");
    kept.failed("quic");
    begin(on("tcp"));
    end();
    kept.lost("tcp");
    const figures = (await transports()).map((one) => [one.transport, one.failures, one.losses]);
    assert.deepEqual(figures, [
      ["quic", 2, 0],
      ["tcp", 0, 1],
    ]);
  });

  it("adds up the packets of all connections, and does without those that nobody knows", async () => {
    const { begin, end, transports } = journal();
    const measured = (packetsSent: number, packetsLost: number) => async () => ({
      ...{ roundTripMs: 5, packetsSent, packetsLost },
    });
    begin(on("quic", measured(10, 1)));
    end();
    begin(on("quic", () => Promise.reject(new Error("it has ended"))));
    end();
    begin(on("quic", measured(20, 4)));
    for (let i = 0; i < 2; i += 1) {
      const [{ packetsSent, retransmissions, roundTripMs } = {}] = await transports();
      assert.deepEqual([packetsSent, retransmissions, roundTripMs], [30, 5, 5], "asked again it is the same");
    }
  });

  it("keeps the last hundred changes, in their order, and does not take the first connection for one", () => {
    const { kept, time, arrived } = journal();
    arrived(route("quic"), "lost");
    assert.equal(kept.switches.length, 0);
    time.advance(42);
    const reasons: SwitchCause[] = ["slow", "asked"];
    for (let i = 1; i <= 150; i += 1) arrived(route(`t${i}`), reasons[i % 2]!);
    assert.equal(kept.switches.length, 100);
    const { at, ...last } = kept.switches.at(-1)!;
    assert.deepEqual(last, { from: route("t149"), to: route("t150"), reason: "slow" });
    assert.equal(at, 1_042);
    assert.deepEqual(kept.switches[0]!.from, route("t50"));
  });
});
