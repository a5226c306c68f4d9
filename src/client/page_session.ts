import { browserTransport } from "../websocket/browser.js";
import { beginSession } from "./begin.js";
import { ResumableSession } from "./client_session.js";
import { watchPage } from "./wake_watch.js";

/**
 * All that a page has loaded by then. It is named here so that bundlers make one file of it, and one of the rest: what
 * only some of a page's files share becomes a file of its own, and each costs more than it holds.
 */
const loadedAlready = [beginSession, browserTransport, watchPage];

/** What a page loads while it connects. */
export const pageSession = { ResumableSession, loadedAlready };
