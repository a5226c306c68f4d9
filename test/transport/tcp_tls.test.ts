import { silentTcp } from "../kit/silent_peer.js";
import { describeTransport } from "./suite.js";

describeTransport("TCP in TLS", {
  url: "tls://127.0.0.1:0",
  secureUrl: "tls://127.0.0.1:0",
  serverPauses: true,
  tellsClientPort: true,
  silentPeer: silentTcp,
});
