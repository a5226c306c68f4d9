import { describe } from "node:test";
import { describeAcknowledgements } from "./suite/acknowledgements.js";
import { describeBadPeers } from "./suite/bad_peers.js";
import { describeCompression } from "./suite/compression.js";
import { describeEnding } from "./suite/ending.js";
import { describeHandshake } from "./suite/handshake.js";
import { describeHostileBytes } from "./suite/hostile_bytes.js";
import { describeHostileText } from "./suite/hostile_text.js";
import { describeIdentities } from "./suite/identities.js";
import { type SessionsUnderTest, sessionKit } from "./suite/kit.js";
import { describeLarge } from "./suite/large.js";
import { describeLargeBadPeers } from "./suite/large_bad_peers.js";
import { describeLargeFailures } from "./suite/large_failures.js";
import { describeLimits } from "./suite/limits.js";
import { describeMessageIds } from "./suite/message_ids.js";
import { describeSessionMessages } from "./suite/messages.js";
import { describeReconnecting } from "./suite/reconnecting.js";
import { describeResuming } from "./suite/resuming.js";
import { describeShutdown } from "./suite/shutdown.js";
import { describeSlowPeers } from "./suite/slow_peers.js";
import { describeTopics } from "./suite/topics.js";

/** What sessions do, over every transport. */
export function describeSessions(name: string, under: SessionsUnderTest): void {
  const kit = sessionKit(under);
  describe(`sessions over ${name}`, () => {
    describeHandshake(kit);
    describeSessionMessages(kit);
    describeAcknowledgements(kit);
    describeMessageIds(kit);
    describeResuming(kit);
    describeReconnecting(kit);
    describeEnding(kit);
    describeTopics(kit);
    describeCompression(kit);
    describeShutdown(kit);
    describeBadPeers(kit);
    describeLimits(kit);
    describeLarge(kit);
    describeLargeFailures(kit);
    describeLargeBadPeers(kit);
    describeHostileBytes(kit);
    describeHostileText(kit);
    describeIdentities(kit);
    describeSlowPeers(kit);
  });
}
