import { browserTransport } from "../websocket/browser.js";
import { beginSession } from "./begin.js";
import { extrasWith } from "./extras.js";
import { fetchedDocument } from "./fetched_document.js";
import { watchPage } from "./wake_watch.js";

/**
 * All that a page has loaded by then. It is named here so that bundlers keep it in one file: they make one of what is
 * needed here, too, and one of the rest, and two files are 1.5 KB more than one, compressed.
 */
const loadedAlready = [beginSession, browserTransport, watchPage];

/** As a page has them, which loads them when it needs one. */
export const pageExtras = { ...extrasWith(fetchedDocument), loadedAlready };
