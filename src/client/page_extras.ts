import { extrasWith } from "./extras.js";
import { fetchedDocument } from "./fetched_document.js";
import { pageSession } from "./page_session.js";

/** As a page has them, which loads them when it needs one, and has loaded what carries a session before: see there. */
export const pageExtras = { ...extrasWith(fetchedDocument), pageSession };
