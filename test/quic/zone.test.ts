import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { connect, listen } from "millrace/quic";
import { AddressUnavailableError } from "#internal/errors.js";
import { Loopback, rawAlpn } from "../kit/loopback.js";

/** A link-local address that only these tests use. */
const address = "fe80::7a11";

const loopback = await Loopback.make();

test("a link-local address is reached through the interface behind its %", async (t) => {
  execFileSync("ip", ["-6", "address", "replace", `${address}/128`, "dev", "lo", "nodad"]);
  t.after(() => execFileSync("ip", ["-6", "address", "del", `${address}/128`, "dev", "lo"]));
  const alpn = [rawAlpn];
  const listener = await listen({ host: `${address}%lo`, port: 0, alpn, tls: loopback.identity }, {});
  t.after(() => listener.close());
  assert.equal(listener.address.address, `${address}%lo`);
  const tls = { ca: loopback.ca, serverName: "localhost" };
  for (const zone of ["%25lo", "%lo", "%1"]) {
    const client = await connect(`quic://[${address}${zone}]:${listener.address.port}`, { alpn, tls });
    assert.equal(client.remoteAddress.address, address);
    await client.close();
  }
});

test("a zone that this machine does not have is said to be none", async () => {
  const { identity } = loopback;
  await assert.rejects(connect("quic://[fe80::1%25nowhere0]:4433", { alpn: ["a"] }), (error: Error) => {
    assert.ok(error instanceof AddressUnavailableError);
    assert.match(error.message, /fe80::1%nowhere0 is behind no interface/);
    return true;
  });
  const options = { host: "fe80::1%nowhere0", port: 0, alpn: ["a"], tls: identity };
  await assert.rejects(listen(options, {}), AddressUnavailableError);
});
