import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import type { HttpHandler } from "millrace";
import { type CompressionFigures, deflate } from "millrace/compression";
import { createServer, type Server } from "millrace/server";
import { createStreamRelay, type StreamRelay } from "millrace/testing";
import type { Browser, CDPSession, Page } from "puppeteer-core";
import { launchBrowser } from "../kit/browser.js";
import { servePage } from "../kit/page.js";
import { until } from "../kit/until.js";

let browser: Browser;
let http: HttpHandler;

before(async () => {
  [browser, http] = await Promise.all([launchBrowser(), servePage("test/client/page/talker.html")]);
});
after(() => browser.close());

/** What talker.js says of itself. */
interface Seen {
  readonly heard: readonly number[];
  readonly course: readonly string[];
  readonly acknowledged: readonly number[];
  readonly unsure: readonly number[];
}

/** A page that has a session with a server, through a relay. */
class Talk {
  /** What each server has heard, in its order. */
  readonly heard: number[][] = [];
  readonly page: Page;
  readonly cdp: CDPSession;
  readonly relay: StreamRelay;
  server: Server;

  private constructor(page: Page, cdp: CDPSession, relay: StreamRelay, server: Server) {
    this.page = page;
    this.cdp = cdp;
    this.relay = relay;
    this.server = server;
  }

  /** @param heartbeatTimeoutMs after how long a silence the page gives its connection up */
  static async begin(t: TestContext, heartbeatTimeoutMs = 2_000): Promise<Talk> {
    const heard: number[] = [];
    const server = await serve(t, heard);
    const relay = await createStreamRelay({ target: endpointOf(server) });
    t.after(() => relay.close());
    const page = await (await browser.createBrowserContext()).newPage();
    t.after(() => page.close());
    const talk = new Talk(page, await page.createCDPSession(), relay, server);
    talk.heard.push(heard);
    const asked = `url=ws://127.0.0.1:${relay.address.port}&heartbeatTimeoutMs=${heartbeatTimeoutMs}`;
    await page.goto(`${server.urls[0]!.replace("ws:", "http:")}?${asked}`);
    await page.waitForFunction("globalThis.talker !== undefined");
    return talk;
  }

  /** Another server takes the place of this one, and knows nothing of it. */
  async restartServer(t: TestContext): Promise<void> {
    this.relay.refuse();
    await this.server.close({ graceful: false });
    const heard: number[] = [];
    this.heard.push(heard);
    this.server = await serve(t, heard);
    await this.relay.retarget(endpointOf(this.server));
    await this.relay.accept();
  }

  seen(): Promise<Seen> {
    return this.page.evaluate("talker.seen") as Promise<Seen>;
  }

  async say(first: number, last: number): Promise<void> {
    await this.page.evaluate(`talker.say(${first}, ${last})`);
  }

  async sayAcked(first: number, last: number): Promise<void> {
    await this.page.evaluate(`talker.sayAcked(${first}, ${last})`);
  }

  async id(): Promise<string> {
    return (await this.page.evaluate("talker.id()")) as string;
  }

  /** The server says numbers to the page. */
  tell(id: string, first: number, last: number): void {
    for (const number of numbers(first, last)) {
      assert.notEqual(this.server.sendTo(id, String(number)), "dropped");
    }
  }

  /** Waits until the page has heard all up to there, and the server too: each once, and in order. */
  async expectAll(last: number): Promise<void> {
    await until("both have heard all", async () => {
      return this.heard[0]!.length >= last && (await this.seen()).heard.length >= last;
    });
    const { heard } = await this.seen();
    assert.deepEqual(heard, numbers(0, last));
    assert.deepEqual(this.heard[0], numbers(0, last));
  }
}

async function serve(t: TestContext, heard: number[]): Promise<Server> {
  const server = await createServer(
    {
      listen: "ws://127.0.0.1:0",
      http,
      heartbeat: { intervalMs: 1_000, timeoutMs: 2_000 },
      compression: [deflate()],
    },
    {
      message: (_session, message) => void heard.push(Number(message.text())),
      requests: { echo: (_session, request) => request.text() },
    },
  );
  t.after(() => server.close({ graceful: false }));
  return server;
}

function endpointOf({ urls }: Server): { address: string; port: number } {
  const { hostname, port } = new URL(urls[0]!);
  return { address: hostname, port: Number(port) };
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first }, (_, index) => first + index);
}

describe("a session in Chromium", () => {
  test("goes on when its connection is cut: nothing lost, nothing twice, in order, both ways", async (t) => {
    const talk = await Talk.begin(t);
    const id = await talk.id();
    for (let round = 0; round < 5; round += 1) {
      const first = round * 200;
      await talk.say(first, first + 100);
      talk.tell(id, first, first + 100);
      talk.relay.cut();
      await talk.say(first + 100, first + 200);
      talk.tell(id, first + 100, first + 200);
    }
    await talk.expectAll(1_000);
    assert.equal(await talk.id(), id);
    assert.ok((await talk.seen()).course.includes("resumed"));
  });

  test("is compressed where both sides have the same, as it is in Node.js", async (t) => {
    const talk = await Talk.begin(t);
    const text = JSON.stringify(numbers(0, 2_000).map((id) => ({ id, text: "grüße" })));
    const asked = await talk.page.evaluate(`talker.ask(${JSON.stringify(text)})`);
    const answer = asked as { readonly text: string; readonly compression: CompressionFigures };
    assert.equal(answer.text, text);
    for (const { messages, bytes, plainBytes } of [answer.compression.sent, answer.compression.received]) {
      assert.deepEqual([messages, plainBytes], [1, Buffer.byteLength(text)]);
      assert.ok(bytes * 4 < plainBytes, `${bytes} bytes`);
    }
  });

  test("keeps what is said while the page is offline, and goes on when it is online again", async (t) => {
    const talk = await Talk.begin(t);
    const id = await talk.id();
    await talk.say(0, 50);
    await setOffline(talk, true);
    await talk.say(50, 100);
    talk.tell(id, 0, 100);
    await until("the page has noticed", async () => (await talk.seen()).course.includes("lost"));
    await talk.say(100, 150);
    await setOffline(talk, false);
    talk.tell(id, 100, 150);
    await talk.expectAll(150);
    assert.equal(await talk.id(), id);
  });

  test("goes on when its tab wakes up, after the server has given its connection up", async (t) => {
    const talk = await Talk.begin(t);
    const id = await talk.id();
    await talk.say(0, 100);
    await talk.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    talk.tell(id, 0, 100);
    await until("nobody hears the page", () => talk.server.session(id)?.state === "detached");
    talk.tell(id, 100, 200);
    await talk.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await talk.say(100, 200);
    await talk.expectAll(200);
    assert.equal(await talk.id(), id);
    const { course } = await talk.seen();
    assert.deepEqual(course, ["began", "lost", "resumed"]);
  });

  test("begins anew with a server that has lost it, and says of what was under way that nobody knows", async (t) => {
    const talk = await Talk.begin(t, 600_000); // it is for the relay to end
    const id = await talk.id();
    await talk.sayAcked(0, 100);
    await until("all are acknowledged", async () => (await talk.seen()).acknowledged.length === 100);
    talk.relay.block("toClient"); // the server hears, and is not heard
    await talk.sayAcked(100, 150);
    await until("the server has heard", () => talk.heard[0]!.length === 150);
    await talk.restartServer(t);
    talk.relay.cut(); // with what the server had said
    talk.relay.unblock();
    await until("it has begun anew", async () => (await talk.id()) !== id);
    await talk.sayAcked(150, 200);
    await until("all that is said now is acknowledged", async () => {
      return (await talk.seen()).acknowledged.length === 150;
    });
    const { course, acknowledged, unsure } = await talk.seen();
    assert.deepEqual(unsure, numbers(100, 150));
    assert.deepEqual(acknowledged, [...numbers(0, 100), ...numbers(150, 200)]);
    assert.deepEqual(course, ["began", "lost", "began", "50 unsure"]);
    assert.deepEqual(talk.heard, [numbers(0, 150), numbers(150, 200)]);
  });
});

/** The page's network is gone, or there again: for Chromium, which tells the page, and in truth. */
async function setOffline({ cdp, relay }: Talk, offline: boolean): Promise<void> {
  const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  if (offline) relay.block();
  await cdp.send("Network.emulateNetworkConditions", { offline, ...unlimited });
  if (!offline) relay.unblock();
}
