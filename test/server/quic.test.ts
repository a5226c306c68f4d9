import { describeSessions } from "./suite.js";

describeSessions("QUIC", { url: "quic://127.0.0.1:0" });
