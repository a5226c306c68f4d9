import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type FoundService, ipv4Group, ipv6Group, type UdpCounters } from "millrace/udp";
import { Network } from "../kit/namespaces.js";
import { until } from "../kit/until.js";
import { query, secret } from "../udp/kit.js";

const port = 41_432;
const program = new URL("./udp_program.js", import.meta.url);

/** Two LANs, client's and server's, with a router between them that is on both; one party on each machine. */
async function lans(t: TestContext) {
  const network = await Network.make();
  t.after(() => network.remove());
  const { client, middle, server } = network;
  return {
    network,
    client: client.start(program),
    middle: middle.start(program),
    server: server.start(program),
  };
}

for (const [family, group, address] of [
  ["IPv4", ipv4Group, /^10\.99\.1\.1$/],
  ["IPv6", ipv6Group, /^(fe80::.*%wan|fd99:1::1)$/], // the first one, when its address is old enough to be used
] as const) {
  test(`services are found by ${family} on every LAN that one is on, and on no other`, async (t) => {
    const { client, middle, server } = await lans(t);
    const options = { secret, port, group };
    for (const [party, name] of [
      [client, "of the client"],
      [middle, "of the router"],
      [server, "of the server"],
    ] as const) {
      await party.call("announce", { ...options, name, urls: ["tcp://[::]:7"] });
    }
    const find = async (party: typeof client, services: number) => {
      let found: readonly FoundService[] = [];
      const names = () => [...new Set(found.map(({ name }) => name))].sort();
      await until("as many as there are have answered", async () => {
        found = await party.call<FoundService[]>("find", { ...options, timeoutMs: 1_000, intervalMs: 200 });
        return names().length >= services;
      });
      return { found, names: names() };
    };
    const { found, names } = await find(client, 2);
    assert.deepEqual(names, ["of the client", "of the router"]);
    const router = found.find(({ name }) => name === "of the router")!;
    assert.match(router.address.address, address);
    assert.equal(
      router.urls[0],
      `tcp://${family === "IPv4" ? "10.99.1.1" : `[${router.address.address.replace("%", "%25")}]`}:7`,
    );
    assert.deepEqual((await find(middle, 3)).names, ["of the client", "of the router", "of the server"]);
  });
}

for (const group of [ipv4Group, ipv6Group, "255.255.255.255"]) {
  test(`a message to ${group} reaches all LANs of its sender, and from there no further`, async (t) => {
    const { client, middle, server } = await lans(t);
    for (const party of [client, middle, server]) await party.call("open", { secret, port, group });
    assert.equal(await middle.call("say", "to both"), "sent");
    for (const party of [client, server]) {
      await until("it was heard", async () => (await party.call<string[]>("heard")).length === 1);
    }
    await client.call("say", "to the router");
    await until("it was heard", async () => (await middle.call<string[]>("heard")).length === 1);
    await middle.call("say", "to both again");
    await until("it was heard", async () => (await server.call<string[]>("heard")).length === 2);
    const texts = (await server.call<string[]>("heard")).map((line) => line.slice(line.indexOf(" ") + 1));
    assert.deepEqual(texts, ["to both", "to both again"]);
  });
}

test("whoever writes a victim's address on forged or recorded queries has nothing sent there", async (t) => {
  const { network, client, middle, server } = await lans(t);
  const victim = { address: "10.99.2.2", port: 5_353 };
  await network.client.ip("address add 10.99.2.2/32 dev lo");
  for (const device of ["all", "client"]) await network.middle.setting(`ipv4/conf/${device}/rp_filter`, 0);
  await middle.call("announce", { secret, port, name: "router", urls: ["tcp://0.0.0.0:7"] });
  await server.call("receive", victim);
  const to = { address: "10.99.1.1", port };
  const recorded = query();
  await client.call("send", { datagrams: [recorded], from: { address: "10.99.1.2", port: 0 }, to });
  const counters = () => middle.call<UdpCounters>("counters");
  await until("its own query was answered", async () => (await counters()).sent === 1);
  const rounds = 20;
  for (let round = 1; round <= rounds; round++) {
    const datagrams = [recorded, query(1232, { key: "another secret of some length" })];
    await client.call("send", { datagrams, from: victim, to });
    await until("the round was judged", async () => (await counters()).received === 1 + 2 * round);
  }
  const { replayed, forged, sent } = await counters();
  assert.deepEqual([replayed, forged, sent], [rounds, rounds, 1]);
  // Who has the secret itself has one answer sent for each query, of no more bytes.
  await client.call("send", { datagrams: [query(600)], from: victim, to });
  await until("it was answered", async () => (await counters()).sent === 2);
  await until("the answer has come", async () => (await server.call<number>("bytesReceived")) > 0);
  assert.ok((await server.call<number>("bytesReceived")) <= 600);
});
