import { connect } from "#internal/client/browser.js";
import { deflate } from "#internal/compression/browser.js";
import { providePageSocket } from "../kit/page_socket.js";
import { describeSessions } from "./suite.js";

providePageSocket();

describeSessions("a browser's WebSocket", { url: "ws://127.0.0.1:0", connect, deflate });
