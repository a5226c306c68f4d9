import { silentUdp } from "../kit/silent_peer.js";
import { describeTransport } from "./suite.js";

describeTransport("QUIC", {
  url: "quic://127.0.0.1:0",
  secureUrl: "quic://127.0.0.1:0",
  serverPauses: true,
  tellsClientPort: true,
  silentPeer: silentUdp,
});
