import { validateHeaderName, validateHeaderValue } from "node:http";
import { isUint8Array } from "node:util/types";
import { InvalidArgumentError } from "../errors.js";
import { show } from "../options/read.js";
import type { HttpHandler, HttpRequest, HttpResponse } from "../transport/http.js";
import { throwUncaught } from "../transport/uncaught.js";

/** What is written: read once from what a handler returned, and found fit, whichever library writes it. */
export type HttpAnswer = Required<HttpResponse>;

const plainText = { "content-type": "text/plain" };
const notFound: HttpAnswer = { status: 404, headers: plainText, body: "not found\n" };
const fault: HttpAnswer = { status: 500, headers: plainText, body: "internal error\n" };

/** These say where the answer ends, which the libraries know. */
const ownHeaders: readonly string[] = ["content-length", "transfer-encoding"];

/**
 * What a plain HTTP request is answered. A handler that throws, or returns what is no response, is answered 500 for,
 * and the exception goes on as an uncaught one, as from any callback of the event loop.
 */
export function respond(handler: HttpHandler | undefined, request: HttpRequest): HttpAnswer {
  try {
    const response = handler?.(request) ?? undefined;
    return response === undefined ? notFound : readResponse(response);
  } catch (error) {
    throwUncaught(error);
    return fault;
  }
}

/** Whether answers of this status end with their headers (RFC 9110 section 6.4.1). */
export function endsWithHeaders(status: number): boolean {
  return status === 204 || status === 304;
}

/** @throws InvalidArgumentError */
function readResponse({ status, headers = {}, body = "" }: HttpResponse): HttpAnswer {
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new InvalidArgumentError(
      `an HTTP response's status must be an integer from 200 to 999, and not ${show(status)}`,
    );
  }
  if (typeof body !== "string" && !isUint8Array(body)) {
    throw new InvalidArgumentError(
      `an HTTP response's body must be a string or a Uint8Array, and not ${show(body)}`,
    );
  }
  const read: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(headers)) {
    checkHeader(name, value);
    read[name] = value;
  }
  return { status, headers: read, body: endsWithHeaders(status) ? "" : body };
}

/** A line break in a header would make two answers of one. @throws InvalidArgumentError */
function checkHeader(name: string, value: unknown): void {
  if (ownHeaders.includes(name.toLowerCase())) {
    throw new InvalidArgumentError(`an HTTP response's ${name} is the server's to write; leave it out`);
  }
  try {
    validateHeaderName(name);
    if (typeof value === "string") {
      validateHeaderValue(name, value);
      return;
    }
  } catch (cause) {
    throw new InvalidArgumentError(`an HTTP response's header ${show(name)} has bytes that none can have`, {
      cause,
    });
  }
  throw new InvalidArgumentError(
    `an HTTP response's header ${show(name)} must be a string, and not ${show(value)}`,
  );
}
