import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AddressUnavailableError,
  ConnectionRefusedError,
  connect,
  InvalidArgumentError,
  listen,
} from "millrace";
import { Authority } from "millrace/testing";

const authority = await Authority.make();
const identity = await authority.issue();
const tls = { ca: authority.certificate, serverName: "localhost" };

/** Where nobody can be: on one of many links, or with many others. */
const nowhere = ["[fe80::1]", "[febf::1]", "[ff02::1]", "224.0.0.1", "239.1.2.3", "255.255.255.255"];

for (const scheme of ["tcp", "tls", "ws", "wss", "quic"]) {
  describe(`addresses of ${scheme}:`, () => {
    test("that no connection can come to are refused by listen, and by connect in the same words", async () => {
      for (const host of nowhere) {
        const refused = (error: Error) => {
          assert.ok(error instanceof AddressUnavailableError, `${host}: ${error}`);
          const what = host.startsWith("[fe")
            ? /is an address on every link .* like fe[8b][0f]::1%eth0$/
            : /is the address of many/;
          assert.match(error.message, what);
          return true;
        };
        await assert.rejects(listen(`${scheme}://${host}:0`, {}, { tls: identity }), refused);
        await assert.rejects(connect(`${scheme}://${host}:4433`, {}, { tls }), refused);
      }
    });

    test("that are another machine's are unavailable to listen on", async () => {
      for (const host of ["192.0.2.1", "[2001:db8::1]", "[fe80::1%25lo]"]) {
        const attempt = listen(`${scheme}://${host}:0`, {}, { tls: identity });
        await assert.rejects(attempt, AddressUnavailableError, host);
      }
    });

    test("that stand for all of this machine's lead to its loopback", async (t) => {
      for (const [host, loopback] of [
        ["0.0.0.0", "127.0.0.1"],
        ["[::]", "::1"],
      ] as const) {
        const listener = await listen(`${scheme}://${host}:0`, {}, { tls: identity });
        t.after(() => listener.close({ graceful: false }));
        const { port } = listener.addresses[0]!;
        const connection = await connect(`${scheme}://${host}:${port}`, {}, { tls });
        assert.equal(connection.remoteAddress.address, loopback);
        await connection.close();
        await listener.close();
        await assert.rejects(connect(`${scheme}://${host}:${port}`, {}, { tls }), ConnectionRefusedError);
      }
    });

    test("have a port to connect to", async () => {
      await assert.rejects(connect(`${scheme}://127.0.0.1:0`, {}, { tls }), (error: Error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.equal(
          error.message,
          `${scheme}://127.0.0.1:0 has port 0, at which nobody listens: take the port of listener.urls`,
        );
        return true;
      });
    });
  });
}
