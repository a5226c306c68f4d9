import { silentTcp } from "../kit/silent_peer.js";
import { describeTransport } from "./suite.js";

process.env.MILLRACE_WEBSOCKET = "ws";

describeTransport("WebSocket by ws", {
  url: "ws://127.0.0.1:0",
  secureUrl: "wss://127.0.0.1:0",
  serverPauses: true,
  tellsClientPort: true,
  silentPeer: silentTcp,
});
