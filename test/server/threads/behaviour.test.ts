import { describe } from "node:test";
import { describeHandshake } from "../suite/handshake.js";
import { describeSessionMessages } from "../suite/messages.js";
import { describeResuming } from "../suite/resuming.js";
import { farKit } from "./far_kit.js";

// The suite of one thread, where a test needs no more of a server than a group has: what it does at once in one thread,
// such as counting who a publication reached, has tests of its own.
for (const scheme of ["ws", "tcp", "quic"]) {
  const kit = farKit({ url: `${scheme}://127.0.0.1:0` });
  describe(`sessions of three threads over ${scheme}`, () => {
    describeHandshake(kit);
    describeSessionMessages(kit);
    describeResuming(kit);
  });
}
