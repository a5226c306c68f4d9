import { describeSessions } from "./suite.js";

describeSessions("TCP", { url: "tcp://127.0.0.1:0" });
