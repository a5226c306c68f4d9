import { HandshakeFailedError } from "../errors.js";
import { type FetchDocument, tooLarge } from "./discovery.js";

/** Gets a document as a page does, whose browser decides whom it trusts. */
export const fetchedDocument: FetchDocument = async (url, { signal, maxBytes }) => {
  let response: Response;
  try {
    response = await fetch(url, { signal, redirect: "error", credentials: "omit" });
  } catch (cause) {
    throw new HandshakeFailedError(`${url} cannot be fetched; a browser does not say why`, { cause });
  }
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || value === undefined) return { status: response.status, text };
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes <= maxBytes) continue;
    void reader?.cancel();
    throw tooLarge(url, maxBytes);
  }
};
