import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as quic from "millrace/quic";
import type { EarlyRelay } from "./early_relay.js";
import { loopbackAddress, UdpAttacker } from "./udp_attacker.js";
import { until } from "./until.js";

/** At once: the server's socket buffer takes what so many send. */
const ATTACKERS = 10;
/** Enough for 0-RTT packets of their own, behind the one that carries the handshake. */
export const EFFECT_BYTES = 4_000;

/** Writes a text on a stream that may go early, and ends it. */
export function order(connection: quic.QuicConnection, text: string): quic.QuicStream {
  const stream = connection.openStream({ idempotent: true });
  stream.write(Buffer.from(text));
  stream.end();
  return stream;
}

/** Sends the flight again and again, each time from another address; resolves when the server has given up on all. */
export async function replay(flight: readonly Uint8Array[], port: number, times: number): Promise<void> {
  const before = quic.quicCounters();
  for (let sent = 0; sent < times; sent += ATTACKERS) {
    const attackers = await Promise.all(
      Array.from({ length: ATTACKERS }, (_, i) => UdpAttacker.open(port, loopbackAddress(sent + i))),
    );
    for (const attacker of attackers) for (const datagram of flight) await attacker.send(datagram);
    const created = before.connectionsCreated + sent + ATTACKERS;
    await until(
      "the server takes each for a client",
      () => quic.quicCounters().connectionsCreated >= created,
    );
    await Promise.all(attackers.map((attacker) => attacker.close()));
  }
  const { connectionsAllocated } = before;
  await until(
    "none of them is there any more",
    () => quic.quicCounters().connectionsAllocated <= connectionsAllocated,
    60_000,
  );
}

/** A client's order that has been carried out, and the packets that carried it. */
export async function captured(
  way: EarlyRelay,
  effectsOf: (text: string) => number,
): Promise<{ text: string; flight: Uint8Array[] }> {
  const text = randomBytes(EFFECT_BYTES / 2).toString("hex");
  const connection = await way.connectUnanswered();
  const stream = order(connection, text);
  const flight = await way.firstFlight(EFFECT_BYTES);
  way.release();
  await stream.closed;
  assert.equal(connection.earlyDataAccepted, true);
  await until("the order has its effect", () => effectsOf(text) > 0); // another thread's is told later
  assert.equal(effectsOf(text), 1);
  await connection.close();
  return { text, flight };
}
