import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "puppeteer-core";
import { launchBrowser } from "../kit/browser.js";
import { cliPath, MillraceProcess, runMillrace } from "../kit/command.js";
import { CutRelay } from "../kit/cut_relay.js";
import { temporaryFolder } from "../kit/folder.js";
import { Terminal } from "../kit/terminal.js";

/** What takes longer hangs. */
const patienceMs = 60_000;

const freePorts = ["--port", "0", "--http-port", "0", "--tcp-port", "0"];
const env = { XDG_CACHE_HOME: temporaryFolder() };

interface Urls {
  readonly quic: string;
  readonly wss: string;
  readonly ws: string;
  readonly tcp: string;
  readonly http: string;
}

let server: MillraceProcess;
let urls: Urls;
let certificate: { readonly path: string };
let browser: Browser;

before(async () => {
  server = new MillraceProcess(["serve", "--json", ...freePorts], { env });
  ({ urls, certificate } = await server.ready<{ urls: Urls; certificate: { path: string } }>());
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server.stop();
});

function chatInTerminal(url: string, name: string): Promise<Terminal> {
  return Terminal.open([process.execPath, cliPath, "chat", url, "--name", name], env);
}

async function newPage(): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(patienceMs);
  return page;
}

/** Opens the page and joins, with the keyboard alone. */
async function joinPage(name: string, url = urls.http): Promise<Page> {
  const page = await newPage();
  await page.goto(url);
  await page.focus("#name");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#status[data-state=connected]");
  return page;
}

/** Says a line in the page, where the focus must be already. */
async function sayInPage(page: Page, text: string): Promise<void> {
  assert.equal(await page.evaluate("document.activeElement.id"), "text");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** The text of the first element that matches, once there is one. */
async function textOf(page: Page, selector: string): Promise<string> {
  const element = await page.waitForSelector(selector);
  return (await element!.evaluate((found) => found.textContent)) ?? "";
}

/** What was said last, once it ends so; it came while the page was open, or before. */
async function lastLine(page: Page, end: string): Promise<string> {
  const words = `[...document.querySelectorAll(".line .words")].at(-1)?.textContent ?? ""`;
  await page.waitForFunction(`(${words}).endsWith(${JSON.stringify(end)})`);
  return (await page.evaluate(words)) as string;
}

test("a line typed in a terminal over QUIC shows in the page, and one of the page in the terminal", async () => {
  const terminal = await chatInTerminal(urls.quic, "ada");
  await terminal.shows(/\* you are ada, over quic/);
  const page = await joinPage("grace");
  try {
    await terminal.shows(/\* grace joined over websocket/);
    await terminal.type("hello from the terminal");
    await terminal.press("Enter");
    assert.equal(await lastLine(page, "hello from the terminal"), "hello from the terminal");
    assert.match(await textOf(page, ".line:nth-last-child(1 of .line) .head"), /^ada ?quic/);

    await sayInPage(page, "hello from the page");
    await terminal.shows(/grace \(websocket, (\d+(\.\d+)? ms|–)\) hello from the page/);

    // Both are listed in both, with transport and round trip.
    await page.waitForFunction(
      `/\\d ms/.test(document.querySelectorAll("#roster .round-trip")[0]?.textContent) &&
       /\\d ms/.test(document.querySelectorAll("#roster .round-trip")[1]?.textContent)`,
    );
    const rows = await page.$$eval("#roster li", (items) => items.map((item) => item.textContent ?? ""));
    assert.match(rows.find((row) => row.startsWith("ada"))!, /^adaquic[\d.]+ ms$/);
    assert.match(rows.find((row) => row.startsWith("grace"))!, /^gracewebsocket[\d.]+ ms$/);
    await terminal.type("/who");
    await terminal.press("Enter");
    await terminal.shows(/^ada +quic +[\d.]+ ms$/m);
    await terminal.shows(/^grace +websocket +[\d.]+ ms$/m);

    await terminal.press("C-d");
    assert.equal(await terminal.exitCode(), 0);
    await page.waitForFunction(`document.querySelector("#log").textContent.includes("ada left")`);
  } finally {
    await terminal.close();
    await page.close();
  }
});

test("who comes late hears what was said before, in the page and in a terminal", async () => {
  await runMillrace(["chat", urls.quic, "--name", "early"], { env, input: "said before you came\n" });
  const page = await joinPage("late");
  try {
    await page.waitForFunction(`document.querySelector("#log").textContent.includes("said before you came")`);
    const { stdout } = await runMillrace(["chat", urls.tcp, "--name", "later"], { env, input: "/who\n" });
    assert.match(stdout, /^early .*said before you came$/m);
    assert.match(stdout, /^late +websocket/m);
  } finally {
    await page.close();
  }
});

test("a page that is loaded again begins anew: under its name, with what was said", async () => {
  const listener = new MillraceProcess(["chat", urls.tcp, "--name", "listener"], { env });
  await listener.output(/you are listener/);
  const page = await joinPage("reloader");
  try {
    await sayInPage(page, "before the reload");
    await listener.output(/before the reload/);
    await page.reload();
    await page.waitForSelector("#status[data-state=connected]");
    assert.equal(await textOf(page, "#status"), "connected as reloader");
    await page.waitForFunction(`document.querySelector("#log").textContent.includes("before the reload")`);
    await listener.output(/reloader joined[\s\S]*reloader left[\s\S]*reloader joined/);
    await sayInPage(page, "after it");
    await listener.output(/after it/);
  } finally {
    await page.close();
    listener.child.stdin.end();
    await listener.exited;
  }
});

test("a connection that is cut is back by itself, in the page and in a terminal, and nothing is missed", async () => {
  const [forPage, forTerminal] = [await CutRelay.start(urls.http), await CutRelay.start(urls.tcp)];
  const witness = new MillraceProcess(["chat", urls.quic, "--name", "witness"], { env });
  const chat = new MillraceProcess(["chat", forTerminal.url, "--name", "cut"], { env });
  await Promise.all([witness.output(/you are witness/), chat.output(/you are cut/)]);
  const page = await joinPage("cut page", forPage.url);
  try {
    await witness.output(/cut page joined/);
    for (const relay of [forPage, forTerminal]) relay.cut();
    witness.child.stdin.write("said meanwhile\n");
    await chat.output(/connection lost[\s\S]*connected again/);
    await chat.output(/witness \(quic.* said meanwhile/);
    await page.waitForFunction(`document.querySelector("#log").textContent.includes("said meanwhile")`);
    await page.waitForSelector("#status[data-state=connected]");
    await sayInPage(page, "here again");
    chat.child.stdin.end("and so am I\n");
    assert.equal(await chat.exited, 0, chat.stderr);
    await witness.output(/here again/);
    await witness.output(/and so am I/);
    assert.ok(!/cut page left/.test(witness.stdout));
  } finally {
    await page.close();
    witness.child.stdin.end();
    await Promise.all([witness.exited, forPage.close(), forTerminal.close()]);
  }
});

test("a line that is typed while a restarted room is away is said when it is there, once", async () => {
  const start = (port: string) =>
    new MillraceProcess(["serve", "--json", ...freePorts.slice(0, -1), port], { env });
  let own = start("0");
  const { urls: first } = await own.ready<{ urls: Urls }>();
  const chat = new MillraceProcess(["chat", first.tcp, "--name", "ada"], { env });
  try {
    chat.child.stdin.write("typed before\n");
    await chat.output(/^ada \(tcp, .* typed before$/m); // it has entered
    await own.stop();
    await chat.output(/connection lost/);
    chat.child.stdin.write("typed meanwhile\n");
    own = start(new URL(first.tcp).port);
    await chat.output(/you are ada[\s\S]*you are ada[\s\S]*^ada \(tcp, .* typed meanwhile$/m);
    chat.child.stdin.end("typed afterwards\n");
    await chat.output(/^ada \(tcp, .* typed afterwards$/m);
    assert.equal(await chat.exited, 0, chat.stderr);
    assert.equal(chat.stdout.match(/typed meanwhile/g)?.length, 1, chat.stdout);
    assert.ok(!/refused|not sent/.test(chat.stdout), chat.stdout);
  } finally {
    await chat.stop("SIGKILL");
    await own.stop();
  }
});

test("who types when the room is gone is told that it was not sent", async () => {
  const own = new MillraceProcess(["serve", "--json", ...freePorts], { env });
  const { urls: first } = await own.ready<{ urls: Urls }>();
  const chat = new MillraceProcess(["chat", first.tcp, "--name", "ada"], { env });
  chat.child.stdin.write("to somebody\n");
  await chat.output(/^ada \(tcp, .* to somebody$/m);
  await own.stop();
  await chat.output(/connection lost/);
  chat.child.stdin.write("to nobody\n");
  assert.equal(await chat.exited, 1);
  assert.match(chat.stdout, /^\* not sent: to nobody$/m);
  assert.match(chat.stderr, /the room is gone/);
});

test("a line that is being typed stays whole when another arrives", async () => {
  const terminal = await chatInTerminal(urls.quic, "typist");
  try {
    await terminal.shows(/you are typist/);
    await terminal.type("half a li");
    await terminal.shows(/> half a li/);
    await runMillrace(["chat", urls.ws, "--name", "other"], { env, input: "in between\n" });
    // Behind the one that came; the screen may be seen while that is written and this is not yet.
    await terminal.shows(/other \(websocket, [^)]+\) in between[\s\S]*> half a li/);
    await terminal.type("ne");
    await terminal.shows(/> half a line/);
    await terminal.press("C-c");
    assert.equal(await terminal.exitCode(), 0);
  } finally {
    await terminal.close();
  }
});

test("what others write is text in the page, and cannot move a terminal's cursor", async () => {
  const page = await joinPage("reader");
  const hostile = '<img src=x onerror="document.title=1">\u001b[2J\u202eend';
  try {
    const listener = new MillraceProcess(["chat", urls.wss, "--name", "listener"], { env });
    await listener.output(/you are listener/);
    await runMillrace(["chat", urls.quic, "--name", "<b>mallory</b>"], { env, input: `${hostile}\n` });
    assert.equal(await lastLine(page, "end"), '<img src=x onerror="document.title=1"> [2J end');
    assert.equal(await page.$(".line img, .line b"), null);
    assert.equal(await page.title(), "millrace room");
    const [line] = await listener.output(/^<b>mallory.*$/m);
    assert.ok(!line.includes("\u001b"));
    listener.child.stdin.end("/quit\n");
    assert.equal(await listener.exited, 0, listener.stderr);
  } finally {
    await page.close();
  }
});

test("a pipe's lines are all said, in order, over each transport, and it leaves when the pipe ends", async () => {
  const listener = new MillraceProcess(["chat", urls.ws, "--name", "listener"], { env });
  await listener.output(/you are listener/);
  for (const url of [urls.quic, urls.wss, urls.ws, urls.tcp]) {
    const name = `pipe-${new URL(url).protocol.slice(0, -1)}`;
    const { code, stdout, stderr } = await runMillrace(["chat", url, "--name", name], {
      env,
      input: "one\ntwo\n\nthree",
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /one.*two.*three/s);
    await listener.output(
      new RegExp(`${name} .*one\n.*${name} .*two\n.*${name} .*three\n.*${name} left`, "s"),
    );
  }
  assert.equal(await listener.stop("SIGINT"), 0, listener.stderr);
});

test("the page comes back by itself when the server does", async () => {
  const start = (port: string) =>
    new MillraceProcess(["serve", "--json", ...freePorts, "--http-port", port], { env });
  let own = start("0");
  const { urls: first } = await own.ready<{ urls: Urls }>();
  const page = await newPage();
  try {
    await page.goto(first.http);
    await page.type("#name", "patient");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#status[data-state=connected]");
    await own.stop();
    await page.waitForSelector("#status[data-state=lost]");
    own = start(new URL(first.http).port);
    await own.output(/\n/);
    await page.waitForSelector("#status[data-state=connected]");
    assert.match(await textOf(page, "#status"), /connected as patient/);
  } finally {
    await page.close();
    await own.stop();
  }
});

test("a name that the room refuses ends the program at once, with the reason", async () => {
  const { code, stderr } = await runMillrace(["chat", urls.quic, "--name", "x".repeat(33)], { env });
  assert.equal(code, 1);
  assert.match(stderr, /refused the session: "name" is longer than 32 characters/);
});

test("a signal ends it with 0, also when the pipe stays open", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const guest = new MillraceProcess(["chat", urls.quic, "--name", "guest"], { env });
    await guest.output(/you are guest/);
    assert.equal(await guest.stop(signal), 0, guest.stderr);
  }
});

test("a server nobody runs, and a certificate nobody trusts, are told with a code and exit 1", async () => {
  const refused = await runMillrace(["chat", "ws://127.0.0.1:1/"], { env });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /ERR_MILLRACE_CONNECTION_REFUSED/);
  const otherCache = { XDG_CACHE_HOME: temporaryFolder() };
  for (const url of [urls.quic, urls.wss]) {
    const untrusted = await runMillrace(["chat", url], { env: otherCache });
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /ERR_MILLRACE_CERTIFICATE_UNTRUSTED/);
    const insecure = await runMillrace(["chat", url, "--insecure"], { env: otherCache, input: "/quit\n" });
    assert.equal(insecure.code, 0, insecure.stderr);
    assert.match(insecure.stderr, /not checked/);
    const trusted = await runMillrace(["chat", url, "--ca", certificate.path], {
      env: otherCache,
      input: "/quit\n",
    });
    assert.deepEqual([trusted.code, trusted.stderr], [0, ""]);
  }
  const unknown = await runMillrace(["chat", "gopher://localhost:70"], { env });
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /ERR_MILLRACE_UNKNOWN_TRANSPORT/);
});
