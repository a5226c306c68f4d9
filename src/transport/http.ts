/** A plain HTTP request that arrived where WebSocket clients are awaited. */
export interface HttpRequest {
  readonly method: string;
  /** The path with its query. */
  readonly path: string;
}

/** What a plain HTTP request is answered with. */
export interface HttpResponse {
  /** 200..999. */
  readonly status: number;
  /** Without Content-Length and Transfer-Encoding, which the server writes. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Empty by default; not sent with 204 and 304, which have none. */
  readonly body?: string | Uint8Array;
}

/**
 * Answers a request at once, or returns undefined for 404. Where it throws, or returns anything else, the answer is 500
 * and the exception an uncaught one.
 */
export type HttpHandler = (request: HttpRequest) => HttpResponse | undefined;
