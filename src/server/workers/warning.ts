/** Says what happened to a thread, or a process, where nobody else asked to be told. */
export function warn(what: string, cause: unknown, code: string): void {
  const detail =
    cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? "it threw nothing");
  process.emitWarning(what, { type: "MillraceWarning", code, detail });
}
