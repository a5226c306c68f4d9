import { silentTcp } from "../kit/silent_peer.js";
import { describeTransport } from "./suite.js";

describeTransport("WebSocket in TLS", {
  url: "wss://127.0.0.1:0",
  secureUrl: "wss://127.0.0.1:0",
  serverPauses: true,
  tellsClientPort: true,
  silentPeer: silentTcp,
});
