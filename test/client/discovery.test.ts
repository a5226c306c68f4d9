import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import type { HttpHandler } from "millrace";
import { createServer, type Server, wellKnown } from "millrace/server";
import { Discovery, type DiscoveryOptions, type FetchedDocument } from "#internal/client/discovery.js";
import { fetchedDocument } from "#internal/client/fetched_document.js";
import { httpsDocument } from "#internal/client/https_document.js";
import { readUrls } from "#internal/client/urls.js";
import { deferred } from "../kit/deferred.js";
import { VirtualTime } from "../kit/virtual_time.js";
import { authority, identity } from "../transport/suite/kit.js";

const ok = (document: unknown): FetchedDocument => ({ status: 200, text: JSON.stringify(document) });

/** A discovery whose host answers as the list says, one after the other. */
function asking(...answers: (FetchedDocument | Error)[]) {
  const time = new VirtualTime();
  const asked: string[] = [];
  const discovery = new Discovery({
    ...{ tls: undefined, timeoutMs: 1_000, clock: time },
    fetchDocument: async (url) => {
      asked.push(url);
      const answer = answers[asked.length - 1];
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error("no answer left");
      return answer;
    },
  });
  return { time, asked, ask: (...urls: string[]) => discovery.resolve(urls, undefined) };
}

const real = (options: Partial<DiscoveryOptions> = {}) =>
  new Discovery({
    ...{ fetchDocument: httpsDocument, tls: { ca: authority.certificate }, timeoutMs: 30_000 },
    clock: new VirtualTime(),
    ...options,
  });

/** A server of HTTPS that answers what it is told. */
async function serveHttps(t: TestContext, answer: (path: string) => { status: number; body: string }) {
  const server = createHttpsServer(
    { cert: identity.certificate as string, key: identity.privateKey as string },
    (request, response) => {
      const { status, body } = answer(request.url ?? "");
      response.writeHead(status, { location: "/elsewhere" }).end(body);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a host", () => {
  it("is replaced by the URLs that it names, in its place", async () => {
    const { ask, asked } = asking(ok({ urls: ["quic://a.example:1", "wss://a.example/live"] }));
    const urls = await ask("tls://b.example:2", "https://A.example:8443/", "wss://a.example/live");
    assert.deepEqual(urls, ["tls://b.example:2", "quic://a.example:1", "wss://a.example/live"]);
    assert.deepEqual(asked, ["https://a.example:8443/.well-known/millrace"]);
  });

  it("is asked again when its document is too old, and not before", async () => {
    const { ask, asked, time } = asking(
      ok({ urls: ["quic://a.example:1"], maxAge: 10 }),
      ok({ urls: ["quic://a.example:2"], maxAge: 1e300 }),
    );
    await ask("https://a.example");
    time.advance(9_999);
    assert.deepEqual(await ask("https://a.example"), ["quic://a.example:1"]);
    time.advance(1);
    assert.deepEqual(await ask("https://a.example"), ["quic://a.example:2"]);
    time.advance(86_399_999);
    await ask("https://a.example");
    assert.equal(asked.length, 2);
    time.advance(1);
    await ask("https://a.example");
    assert.equal(asked.length, 3, "nothing holds for longer than a day");
  });

  it("that does not answer now is what it said last, and where others are left, nothing", async () => {
    const { ask, time } = asking(ok({ urls: ["quic://a.example:1"], maxAge: 1 }), new Error("offline"));
    await ask("https://a.example");
    time.advance(1_000);
    assert.deepEqual(await ask("https://a.example"), ["quic://a.example:1"]);
    const offline = asking(new Error("offline"));
    assert.deepEqual(await offline.ask("https://a.example", "wss://b.example"), ["wss://b.example"]);
    await assert.rejects(asking(new Error("offline")).ask("https://a.example"), { message: "offline" });
  });

  it("names URLs of its own only, and none in the clear", async () => {
    const others = [
      "wss://b.example",
      "quic://b.example:1",
      "ws://a.example",
      "tcp://a.example:1",
      "a",
      7,
      null,
    ];
    const { ask } = asking(ok({ urls: [...others, "tls://a.example:3"] }));
    assert.deepEqual(await ask("https://a.example"), ["tls://a.example:3"]);
    await assert.rejects(asking(ok({ urls: others })).ask("https://a.example"), {
      code: "ERR_MILLRACE_DISCOVERY_FAILED",
      message: /none of its 7 URLs is of a\.example/,
    });
  });

  it("is refused where its document is none", async () => {
    for (const answer of [
      { status: 404, text: "not found" },
      { status: 301, text: "" },
      { status: 200, text: "<html>" },
      ok(null),
      ok([]),
      ok({ urls: "quic://a.example:1" }),
      ok({ urls: [] }),
      ok({ urls: ["quic://a.example:1"], maxAge: "1" }),
      ok({ urls: ["quic://a.example:1"], maxAge: -1 }),
      ok({ urls: new Array(33).fill("quic://a.example:1") }),
    ]) {
      const { ask } = asking(answer);
      await assert.rejects(ask("https://a.example"), { code: "ERR_MILLRACE_DISCOVERY_FAILED" });
    }
  });

  it("has so much time to answer, and no longer than its caller waits", async () => {
    const time = new VirtualTime();
    let aborted = 0;
    const discovery = new Discovery({
      ...{ tls: undefined, timeoutMs: 1_000, clock: time },
      fetchDocument: (_url, { signal }) => {
        signal.addEventListener("abort", () => {
          aborted += 1;
        });
        return deferred<FetchedDocument>().promise;
      },
    });
    const late = discovery.resolve(["https://a.example"], undefined);
    time.advance(1_000);
    await assert.rejects(late, { code: "ERR_MILLRACE_HANDSHAKE_TIMEOUT" });
    const controller = new AbortController();
    const given = discovery.resolve(["https://a.example"], controller.signal);
    controller.abort();
    await assert.rejects(given, { code: "ERR_MILLRACE_ABORTED" });
    assert.equal(aborted, 2);
  });

  it("is a host and perhaps a port, and nothing else", () => {
    assert.deepEqual(readUrls(["https://a.example", "https://a.example:8443/"]).length, 2);
    for (const url of ["https://a.example/live", "https://me@a.example", "https://a.example?x", "https://"]) {
      assert.throws(() => readUrls(url), { code: "ERR_MILLRACE_INVALID_ARGUMENT" }, url);
    }
  });
});

describe("a server's well-known document", () => {
  const path = "/.well-known/millrace";

  it("leads a client that knows the host alone to the server, by the client's own trust", async (t) => {
    const server: Server = await createServer(
      {
        listen: ["wss://127.0.0.1:0", "tls://127.0.0.1:0"],
        tls: identity,
        http: wellKnown(() => server.urls, { maxAgeSeconds: 60 }),
      },
      {},
    );
    t.after(() => server.close({ graceful: false }));
    const host = server.urls[0]!.replace("wss:", "https:").replace(/(\d)\/.*$/, "$1");
    assert.deepEqual(await real().resolve([host], undefined), server.urls);
    await assert.rejects(real({ tls: undefined }).resolve([host], undefined), {
      code: "ERR_MILLRACE_CERTIFICATE_UNTRUSTED",
    });
    const misnamed = { ca: authority.certificate, serverName: "other.example" };
    await assert.rejects(real({ tls: misnamed }).resolve([host], undefined), {
      code: "ERR_MILLRACE_CERTIFICATE_NAME",
    });
  });

  it("is answered at its path by GET, for pages of any host, and all else by who is named", () => {
    const otherwise: HttpHandler = ({ path }) => (path === "/health" ? { status: 204 } : undefined);
    const urls = ["quic://a.example:1", "wss://a.example"];
    const handler = wellKnown(urls, { maxAgeSeconds: 5, otherwise });
    const answer = handler({ method: "GET", path: `${path}?x` });
    assert.deepEqual(JSON.parse(answer?.body as string), { urls, maxAge: 5 });
    assert.equal(answer?.headers?.["cache-control"], "max-age=5");
    assert.equal(answer?.headers?.["access-control-allow-origin"], "*");
    assert.equal(handler({ method: "POST", path })?.status, 405);
    assert.equal(handler({ method: "GET", path: "/health" })?.status, 204);
    assert.equal(handler({ method: "GET", path: "/" }), undefined);
    assert.equal(wellKnown(urls)({ method: "GET", path: "/" }), undefined);
  });

  it("names nothing that no client would take", () => {
    for (const urls of [
      [],
      ["ws://a.example"],
      ["quic://a.example:0"],
      ["a"],
      new Array(33).fill("wss://a"),
    ]) {
      assert.throws(() => wellKnown(urls), { code: "ERR_MILLRACE_INVALID_ARGUMENT" });
    }
  });
});

describe("a document by HTTPS", () => {
  it("is not followed elsewhere, and not read when it is too large", async (t) => {
    const moved = await serveHttps(t, () => ({ status: 302, body: "" }));
    await assert.rejects(real().resolve([moved], undefined), {
      code: "ERR_MILLRACE_DISCOVERY_FAILED",
      message: /HTTP 302/,
    });
    const large = await serveHttps(t, () => ({ status: 200, body: " ".repeat(20_000) }));
    await assert.rejects(real().resolve([large], undefined), {
      code: "ERR_MILLRACE_DISCOVERY_FAILED",
      message: /larger than 16384 bytes/,
    });
  });

  it("leaves no socket to a host that does not answer when its caller has gone", async (t) => {
    const accepted = deferred<Socket>();
    const silent = createTcpServer(accepted.resolve);
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    t.after(() => silent.close());
    const controller = new AbortController();
    const { port } = silent.address() as AddressInfo;
    const asked = real().resolve([`https://127.0.0.1:${port}`], controller.signal);
    const socket = (await accepted.promise).on("error", () => {}).resume();
    controller.abort();
    await assert.rejects(asked, { code: "ERR_MILLRACE_ABORTED" });
    if (!socket.closed) await once(socket, "close");
  });
});

describe("a document in a page", () => {
  it("comes by fetch, which follows nothing, and is not read when it is too large", async (t) => {
    const requests: RequestInit[] = [];
    const answers = [new Response("{}"), new Response(" ".repeat(100)), new Error("CORS")];
    t.mock.method(globalThis, "fetch", async (_url: string, init: RequestInit) => {
      requests.push(init);
      const answer = answers[requests.length - 1]!;
      if (answer instanceof Error) throw answer;
      return answer;
    });
    const { signal } = new AbortController();
    const get = () => fetchedDocument("https://a.example/x", { tls: undefined, signal, maxBytes: 64 });
    assert.deepEqual(await get(), { status: 200, text: "{}" });
    assert.deepEqual(requests[0], { signal, redirect: "error", credentials: "omit" });
    await assert.rejects(get(), { code: "ERR_MILLRACE_DISCOVERY_FAILED" });
    await assert.rejects(get(), { code: "ERR_MILLRACE_HANDSHAKE_FAILED" });
  });
});
