import { describeSessions } from "./suite.js";

describeSessions("WebSocket", { url: "ws://127.0.0.1:0" });
