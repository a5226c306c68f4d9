import type { TestContext } from "node:test";
import { type ClientBehaviour, type ClientOptions, type ClientSession, connect } from "millrace/client";
import { authority } from "../transport/suite/kit.js";

/** A session that trusts the tests' authority and knows nothing of the network yet, until the test is over. */
export async function joined(
  t: TestContext,
  urls: string | readonly string[],
  options: ClientOptions = {},
  behaviour: ClientBehaviour = {},
): Promise<ClientSession> {
  const all = { tls: { ca: authority.certificate }, networkStore: new Map(), ...options } as ClientOptions;
  const session = await connect(urls, all, behaviour);
  t.after(() => session.close({ graceful: false }));
  return session;
}
