import { extrasWith } from "./extras.js";
import { fetchedDocument } from "./fetched_document.js";

/** As a page has them, which loads them when it needs one. */
export const pageExtras = extrasWith(fetchedDocument);
