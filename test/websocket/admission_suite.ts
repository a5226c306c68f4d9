import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import { connect, ResourceExhaustedError } from "millrace";
import { listen, type WebSocketConnection, type WebSocketListenOptions } from "millrace/websocket";
import { until } from "../kit/until.js";
import { RawClient } from "./raw_client.js";

/** Whom a server of one library lets in, seen by raw TCP clients. */
export function describeServerAdmission(library: "uws" | "ws"): void {
  before(() => {
    process.env.MILLRACE_WEBSOCKET = library;
  });

  /** Serves nothing, and keeps who comes. */
  async function serve(t: TestContext, options: WebSocketListenOptions, url = "ws://127.0.0.1:0/") {
    const opened: WebSocketConnection[] = [];
    const listener = await listen(
      url,
      { open: (connection) => void opened.push(connection), frame() {} },
      options,
    );
    t.after(() => listener.close());
    return { listener, port: listener.address.port, opened };
  }

  /** The head of the answer to an upgrade request, from a connection of its own. */
  async function ask(
    t: TestContext,
    port: number,
    headers: Readonly<Record<string, string>> = {},
    path = "/",
  ): Promise<string> {
    const client = await RawClient.connect(port);
    t.after(() => client.socket.destroy());
    return client.upgrade(path, headers);
  }

  describe(`admission to a WebSocket server by ${library}`, () => {
    test("is for pages of the origins listed, exactly, whatever the case", async (t) => {
      const origins = ["https://example.com", "HTTP://Localhost:8080", "chrome-extension://abcdef"];
      const { port, opened } = await serve(t, { origins });
      const allowed = [
        "https://example.com",
        "HTTPS://EXAMPLE.com",
        "http://localhost:8080",
        "chrome-extension://abcdef",
      ];
      for (const origin of allowed) {
        assert.match(await ask(t, port, { Origin: origin }), /^HTTP\/1\.1 101 /, origin);
      }
      assert.deepEqual(
        opened.map(({ origin }) => origin),
        allowed,
        "it is there as it was sent",
      );
      const refused = [
        "null",
        "http://example.com",
        "https://example.com:8443",
        "https://example.com:443",
        "https://example.com/",
        "https://example.com.evil.invalid",
        "https://evil-example.com",
        "https://sub.example.com",
        "https://example.com@evil.invalid",
        "https://evil.invalid https://example.com",
        "https://evil.invalid, https://example.com",
        "https://examp\u212Be.com",
        "http://\u212Aocalhost:8080",
        "http://localhost",
        "example.com",
        "https://",
        "*",
      ];
      for (const origin of refused) {
        assert.match(await ask(t, port, { Origin: origin }), /^HTTP\/1\.1 403 Forbidden\r\n/, origin);
      }
      assert.equal(opened.length, allowed.length);
    });

    test("is for pages without an origin of their own where null is listed", async (t) => {
      const { port } = await serve(t, { origins: ["null"] });
      assert.match(await ask(t, port, { Origin: "null" }), /^HTTP\/1\.1 101 /);
      assert.match(await ask(t, port, { Origin: "https://example.com" }), /^HTTP\/1\.1 403 /);
    });

    test("is for what is no browser, unless that is forbidden", async (t) => {
      const origins = ["https://example.com"];
      const lax = await serve(t, { origins });
      assert.match(await ask(t, lax.port), /^HTTP\/1\.1 101 /);
      assert.equal(lax.opened[0]?.origin, undefined);
      const strict = await serve(t, { origins, allowMissingOrigin: false });
      assert.match(await ask(t, strict.port), /^HTTP\/1\.1 403 /);
      assert.match(await ask(t, strict.port, { Origin: "https://example.com" }), /^HTTP\/1\.1 101 /);
      const anyPage = await serve(t, { allowMissingOrigin: false });
      assert.match(await ask(t, anyPage.port), /^HTTP\/1\.1 403 /);
      assert.match(await ask(t, anyPage.port, { Origin: "https://else.invalid" }), /^HTTP\/1\.1 101 /);
    });

    test("is for pages of every origin where none is listed, and for none where the list is empty", async (t) => {
      const open = await serve(t, {});
      assert.match(await ask(t, open.port, { Origin: "https://else.invalid" }), /^HTTP\/1\.1 101 /);
      const closed = await serve(t, { origins: [] });
      assert.match(await ask(t, closed.port, { Origin: "https://else.invalid" }), /^HTTP\/1\.1 403 /);
    });

    test("keeps the path that was asked for, with its query", async (t) => {
      const { port, opened } = await serve(t, {}, "ws://127.0.0.1:0/chat?x=y");
      for (const path of ["/chat", "/chat?room=7&token=a%20b", "/chat?"]) {
        assert.match(await ask(t, port, {}, path), /^HTTP\/1\.1 101 /);
      }
      assert.deepEqual(
        opened.map(({ path }) => path),
        ["/chat", "/chat?room=7&token=a%20b", "/chat?"],
      );
      for (const path of ["/", "/chat/", "/chat2", "/Chat", "/%63hat", "/x?/chat", "//chat"]) {
        assert.match(await ask(t, port, {}, path), /^HTTP\/1\.1 404 /, path);
      }
    });

    test("is refused for want of room by 503, with the time after which to ask again", async (t) => {
      let room = 1;
      const { listener, port, opened } = await serve(t, { admit: () => room-- > 0 });
      assert.match(await ask(t, port), /^HTTP\/1\.1 101 /);
      const answer = await ask(t, port);
      assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
      assert.match(answer, /\r\nretry-after: 1\r\n/i);
      await assert.rejects(connect(listener.url, {}), ResourceExhaustedError);
      assert.equal(opened.length, 1);
      assert.equal(listener.connectionCount, 1);
    });

    test("is asked for last, so that who is refused for something else is never admitted", async (t) => {
      let admitted = 0;
      let abandoned = 0;
      const { port, opened } = await serve(t, {
        origins: ["https://example.com"],
        protocols: ["x"],
        admit: () => ++admitted > 0,
        abandoned: () => void abandoned++,
      });
      const protocol = { "Sec-WebSocket-Protocol": "x" };
      await ask(t, port, { ...protocol }, "/elsewhere");
      await ask(t, port, { ...protocol, Origin: "https://else.invalid" });
      await ask(t, port, { "Sec-WebSocket-Protocol": "y" });
      assert.equal(admitted, 0);
      await ask(t, port, { ...protocol, "Sec-WebSocket-Version": "99" });
      await ask(t, port, { ...protocol, Origin: "https://example.com" });
      await until("each is a connection, or abandoned", () => admitted === opened.length + abandoned);
      assert.equal(admitted, 2);
    });
  });
}
