import { silentTcp } from "../kit/silent_peer.js";
import { describeTransport } from "./suite.js";

process.env.MILLRACE_WEBSOCKET = "uws";

describeTransport("WebSocket by uWebSockets.js", {
  url: "ws://127.0.0.1:0",
  secureUrl: "wss://127.0.0.1:0",
  serverPauses: false,
  tellsClientPort: false,
  silentPeer: silentTcp,
});
