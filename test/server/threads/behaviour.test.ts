import { describe } from "node:test";
import { describeAcknowledgements } from "../suite/acknowledgements.js";
import { describeBadPeers } from "../suite/bad_peers.js";
import { describeCompression } from "../suite/compression.js";
import { describeHandshake } from "../suite/handshake.js";
import { describeHostileBytes } from "../suite/hostile_bytes.js";
import { describeHostileText } from "../suite/hostile_text.js";
import { describeIdentities } from "../suite/identities.js";
import { describeMessageIds } from "../suite/message_ids.js";
import { describeSessionMessages } from "../suite/messages.js";
import { describeReconnecting } from "../suite/reconnecting.js";
import { describeResuming } from "../suite/resuming.js";
import { describeShutdown } from "../suite/shutdown.js";
import { describeSlowPeers } from "../suite/slow_peers.js";
import { describeTopics } from "../suite/topics.js";
import { farKit } from "./far_kit.js";

for (const scheme of ["ws", "tcp", "quic"]) {
  const kit = farKit({ url: `${scheme}://127.0.0.1:0` });
  describe(`sessions of three threads over ${scheme}`, () => {
    describeHandshake(kit);
    describeSessionMessages(kit);
    describeAcknowledgements(kit);
    describeMessageIds(kit);
    describeResuming(kit);
    describeReconnecting(kit);
    describeTopics(kit);
    describeCompression(kit);
    describeShutdown(kit);
    describeBadPeers(kit);
    describeHostileBytes(kit);
    describeHostileText(kit);
    describeIdentities(kit);
    describeSlowPeers(kit);
  });
}
