import type { HttpHandler, HttpRequest, HttpResponse } from "../transport/http.js";

const notFound: HttpResponse = {
  status: 404,
  headers: { "content-type": "text/plain" },
  body: "not found\n",
};

const fault: HttpResponse = {
  status: 500,
  headers: { "content-type": "text/plain" },
  body: "internal error\n",
};

/**
 * What a plain HTTP request is answered. A handler that throws is answered 500 for, and its exception goes on
 * as an uncaught one, as from any callback of the event loop.
 */
export function respond(handler: HttpHandler | undefined, request: HttpRequest): HttpResponse {
  try {
    return handler?.(request) ?? notFound;
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return fault;
  }
}
