import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { startWorkers, type WorkerGroup, type WorkersBehaviour, type WorkersOptions } from "millrace/server";
import { until } from "../../kit/until.js";
import { authority, identity } from "../../transport/suite/kit.js";
import type { AppData } from "./app.js";

/** A module beside this one. */
export function moduleNamed(name: string): URL {
  return new URL(`./${name}.js`, import.meta.url);
}

/** Runs the application of app.ts in threads that end with their test. */
export async function startApp(
  t: TestContext,
  options: AppData["options"],
  workers: Partial<WorkersOptions> = {},
  behaviour?: WorkersBehaviour,
): Promise<WorkerGroup> {
  const workerData: AppData = { options: { tls: identity, ...options } };
  const group = await startWorkers(
    { module: moduleNamed("app"), workers: 3, workerData, ...workers },
    behaviour,
  );
  t.after(() => group.close({ graceful: false }));
  return group;
}

/** A client, and in which thread its session is. */
export interface Member {
  readonly client: ClientSession;
  readonly thread: string;
  readonly id: string;
  /** What it was sent. */
  readonly heard: string[];
}

export async function join(
  t: TestContext,
  url: string,
  options: ClientOptions = {},
  behaviour: ClientBehaviour = {},
): Promise<Member> {
  const heard: string[] = [];
  const client = await connect(
    url,
    { tls: { ca: authority.certificate }, reconnect: false, ...options },
    { message: (_session, message) => void heard.push(message.text()), ...behaviour },
  );
  t.after(() => client.close({ graceful: false }));
  return { client, thread: await ask(client, "thread"), id: await ask(client, "id"), heard };
}

/** The same, in another thread than those: the operating system, or the engine, says which. */
export async function joinElsewhere(
  t: TestContext,
  url: string,
  threads: readonly string[],
  options: ClientOptions = {},
  behaviour: ClientBehaviour = {},
): Promise<Member> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const member = await join(t, url, options, behaviour);
    if (!threads.includes(member.thread)) return member;
    await member.client.close();
  }
  throw new Error(`200 connections were all accepted by the threads ${threads.join()}`);
}

/** What a session's own server answers. */
export async function ask(client: ClientSession, subject: string, payload = ""): Promise<string> {
  const reply = await client.request(subject, payload);
  assert.equal(reply.status, "success", JSON.stringify(reply));
  return Buffer.from((reply as { payload: Uint8Array }).payload).toString();
}

/** Has a member's thread call one of its server's methods. */
export async function call({ client }: Member, method: string, ...args: unknown[]): Promise<unknown> {
  return JSON.parse(await ask(client, "call", JSON.stringify({ method, args })));
}

/** What has happened in a member's thread. */
export async function eventsOf({ client }: Member): Promise<string[]> {
  return JSON.parse(await ask(client, "events")) as string[];
}

export async function untilHeard(member: Member, ...texts: string[]): Promise<void> {
  await until(`it has heard ${texts.join()}`, () => texts.every((text) => member.heard.includes(text)));
}
