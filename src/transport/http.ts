/** A plain HTTP request that arrived where WebSocket clients are awaited. */
export interface HttpRequest {
  readonly method: string;
  /** The path with its query. */
  readonly path: string;
}

/** What a plain HTTP request is answered with. */
export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Answers a request at once, or returns undefined for 404. */
export type HttpHandler = (request: HttpRequest) => HttpResponse | undefined;
