import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { SessionEnd } from "millrace/server";
import type { SessionKit } from "./kit.js";

/** A server with somebody innocent, who must be able to ask before and after. */
export async function serveInnocent(
  kit: SessionKit,
  t: TestContext,
  options: Parameters<SessionKit["serve"]>[2] = {},
) {
  const ends: SessionEnd[] = [];
  const server = await kit.serve(
    t,
    { requests: { well: () => "yes" }, close: (_session, end) => ends.push(end) },
    options,
  );
  const innocent = await kit.join(t, server, { clientId: "innocent" });
  const unharmed = async () => assert.equal((await innocent.request("well")).status, "success");
  await unharmed();
  return { server, ends, unharmed };
}
