import { describeSessions } from "./suite.js";

describeSessions("TCP with TLS", { url: "tls://127.0.0.1:0" });
