import { connectSession } from "#internal/client/browser.js";
import { providePageSocket } from "../kit/page_socket.js";
import { describeSessions } from "./suite.js";

providePageSocket();

describeSessions("a browser's WebSocket", { url: "ws://127.0.0.1:0", connect: connectSession });
