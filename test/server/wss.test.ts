import { describeSessions } from "./suite.js";

describeSessions("WebSocket with TLS", { url: "wss://127.0.0.1:0" });
