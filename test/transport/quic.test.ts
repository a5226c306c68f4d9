import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError, jsonCodec, listen } from "millrace";
import { silentUdp } from "../kit/silent_peer.js";
import { identity } from "./suite/kit.js";
import { describeTransport } from "./suite.js";

describeTransport("QUIC", {
  url: "quic://127.0.0.1:0",
  secureUrl: "quic://127.0.0.1:0",
  serverPauses: true,
  tellsClientPort: true,
  silentPeer: silentUdp,
});

test("QUIC takes a message limit of 2,096,056 bytes, 1,572,006 where messages may be lines of JSON, and no more", async () => {
  for (const [most, options] of [
    [2_096_056, {}],
    [1_572_006, { codecs: [jsonCodec] }],
  ] as const) {
    const attempt = (maxMessageBytes: number) =>
      listen("quic://127.0.0.1:0", {}, { tls: identity, maxMessageBytes, ...options });
    await (await attempt(most)).close();
    await assert.rejects(attempt(most + 1), InvalidArgumentError);
  }
});
