import type { HttpHandler } from "millrace";
import { createServer, type Server } from "millrace/server";
import { createStreamRelay, type StreamRelay } from "millrace/testing";
import type { Browser } from "puppeteer-core";
import { launchBrowser } from "../test/kit/browser.js";
import { servePage } from "../test/kit/page.js";
import { type Benchmark, type Comparison, inTurn } from "./benchmark.js";

/** Of each connection of a page: 1.6 Mbit/s. */
const bytesPerSecond = 200_000;

const ours = "a session, loaded while it connects";
const whole = "a session, all in one file";
const bare = "a bare WebSocket";

/** How long a page takes that is opened for the first time, until it has a session. */
export const clientPage: Benchmark = {
  name: "client-page",
  title: "Clients, pages: from opening a page in Chromium, with nothing cached, until it has a session",
  async run(options) {
    const pages = {
      [ours]: await servePage("bench/pages/session.html"),
      [whole]: await servePage("bench/pages/session.html", true),
      [bare]: await servePage("bench/pages/socket.html"),
    };
    const browser = await launchBrowser();
    try {
      const comparisons: Comparison[] = [];
      for (const roundTripMs of options.roundTripsMs) {
        const title = `${roundTripMs} ms round trip, ${(bytesPerSecond * 8) / 1e6} Mbit/s`;
        const open = (page: HttpHandler) => () => untilReady(browser, page, roundTripMs);
        await open(pages[ours])(); // what is compiled once is in no figure
        const results = await inTurn(options, title, {
          [ours]: open(pages[ours]),
          [whole]: open(pages[whole]),
          [bare]: open(pages[bare]),
        });
        for (const peer of [whole, bare] as const) {
          comparisons.push({
            ...{ title, unit: "ms" },
            ours: { name: ours, values: results[ours] },
            peer: { name: peer, values: results[peer] },
            ...(peer === whole && { target: { of: "ratio" as const, atMost: 1 } }),
          });
        }
      }
      return comparisons;
    } finally {
      await browser.close();
    }
  },
};

/** @returns milliseconds from the navigation on. */
async function untilReady(browser: Browser, http: HttpHandler, roundTripMs: number): Promise<number> {
  await using server = await createServer({ listen: "ws://127.0.0.1:0", http }, {});
  await using relay = await slowLineTo(server, roundTripMs);
  const context = await browser.createBrowserContext();
  try {
    const page = await context.newPage();
    const there = `127.0.0.1:${relay.address.port}`;
    await page.goto(`http://${there}/?url=ws://${there}`);
    const ready = await page.waitForFunction("globalThis.readyMs");
    return (await ready.jsonValue()) as number;
  } finally {
    await context.close();
  }
}

function slowLineTo(server: Server, roundTripMs: number): Promise<StreamRelay> {
  return createStreamRelay({
    target: server.addresses[0]!,
    ...{ delayMs: roundTripMs / 2, bytesPerSecond },
  });
}
