import { describe } from "node:test";
import { describeAdmission } from "./suite/admission.js";
import { describeBackpressure } from "./suite/backpressure.js";
import { describeCertificates } from "./suite/certificates.js";
import { describeClosing } from "./suite/closing.js";
import { describeConnecting } from "./suite/connecting.js";
import { describeHandlers } from "./suite/handlers.js";
import { suiteKit, type TransportUnderTest } from "./suite/kit.js";
import { describeLanes } from "./suite/lanes.js";
import { describeListening } from "./suite/listening.js";
import { describeMessages } from "./suite/messages.js";
import { describePublishing } from "./suite/publishing.js";
import { describeTwoWay } from "./suite/two_way.js";

/** The behaviours that every transport shows, through the root API. */
export function describeTransport(name: string, transport: TransportUnderTest): void {
  const kit = suiteKit(transport);
  describe(name, () => {
    describeMessages(kit);
    describeBackpressure(kit);
    describeTwoWay(kit);
    describeLanes(kit);
    describePublishing(kit);
    describeClosing(kit);
    describeHandlers(kit);
    describeConnecting(kit);
    describeAdmission(kit);
    describeCertificates(kit);
    describeListening(kit);
  });
}
