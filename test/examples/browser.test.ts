import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Server } from "millrace/server";
import { createStreamRelay } from "millrace/testing";
import type { Browser, BrowserContext, Page } from "puppeteer-core";
import { launchBrowser } from "../kit/browser.js";

let browser: Browser;
let serveRoom: (url: string) => Promise<Server>;

before(async () => {
  const file = new URL("../../../examples/browser/server.js", import.meta.url);
  ({ serveRoom } = (await import(pathToFileURL(file.pathname).href)) as { serveRoom: typeof serveRoom });
  browser = await launchBrowser();
});
after(() => browser.close());

async function open(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction('document.getElementById("status").textContent === "online"');
  return page;
}

async function say(page: Page, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    await page.type("#text", line);
    await page.keyboard.press("Enter");
  }
}

/** Waits until these are the page's lines, all heard in the room. */
async function expectHeard(page: Page, lines: readonly string[]): Promise<void> {
  const words = `[...document.querySelectorAll("#lines li")].map((line) => line.className + ": " + line.textContent)`;
  await page.waitForFunction(`${words}.filter((line) => line.startsWith("heard")).length >= ${lines.length}`);
  assert.deepEqual(
    await page.evaluate(words),
    lines.map((line) => `heard: ${line}`),
  );
}

test("examples/browser keeps lines while there is no network, also of a page that is closed, and says each once", async (t) => {
  const server = await serveRoom("ws://127.0.0.1:0");
  t.after(() => server.close({ graceful: false }));
  const { hostname, port } = new URL(server.urls[0]!);
  const relay = await createStreamRelay({ target: { address: hostname, port: Number(port) } });
  t.after(() => relay.close());
  const listener = await open(await browser.createBrowserContext(), `http://${hostname}:${port}/`);
  const context = await browser.createBrowserContext();
  const train = `http://127.0.0.1:${relay.address.port}/`;
  const traveller = await open(context, train);
  await say(traveller, "we leave");
  await expectHeard(listener, ["we leave"]);

  relay.refuse();
  relay.cut();
  await traveller.waitForFunction('document.getElementById("status").textContent === "offline"');
  await say(traveller, "a tunnel", "a long one");
  assert.equal((await traveller.$$("li.waiting")).length, 2);
  await say(listener, "where are you?");
  await relay.accept();
  await expectHeard(listener, ["we leave", "where are you?", "a tunnel", "a long one"]);
  await expectHeard(traveller, ["we leave", "where are you?", "a tunnel", "a long one"]);

  relay.refuse();
  relay.cut();
  await say(traveller, "another");
  await traveller.close();
  await relay.accept();
  const again = await open(context, train);
  const all = ["we leave", "where are you?", "a tunnel", "a long one", "another"];
  await expectHeard(listener, all);
  await expectHeard(again, all);
});
