import assert from "node:assert/strict";
import { test } from "node:test";
import { idText } from "#internal/delivery/session_id.js";
import { Registry } from "#internal/server/registry.js";
import type { ServerSession } from "#internal/server/server_session.js";
import { clientWords, idWords, newSessionId } from "#internal/server/session_id.js";
import { Peers } from "#internal/server/threads/peers.js";
import { IdKind } from "#internal/session/sessions.js";

test("a session that other threads see counted is found by them, and none that is counted no more", (t) => {
  const peers = Peers.create({ maxSessions: 4 });
  t.after(() => peers.close());
  const { sessions } = peers;
  const registry = new Registry<undefined>(peers, () => {});
  const idBytes = newSessionId();
  const [id, client] = [idWords(idBytes).slice(), clientWords("client").slice()];
  const handle = sessions.allocate();
  assert.ok(sessions.open(handle, { transport: 0, connection: 0, id }, 0));
  const seen: [number, boolean, boolean][] = [];
  peers.countSessions = (count) => {
    const isFound = (kind: IdKind, words: Uint32Array) => sessions.find(kind, words) !== undefined;
    seen.push([count, isFound(IdKind.session, id), isFound(IdKind.client, client)]);
  };
  const session = { handle, id: idText(idBytes), clientId: "client" } as ServerSession<undefined>;
  registry.add(session);
  registry.delete(session);
  assert.deepEqual(seen, [
    [1, true, true],
    [0, false, false],
  ]);
});
