/**
 * Resolves at SIGINT or SIGTERM, with its name. A second one, while the program closes gracefully, ends it at
 * once, as a signal would that nobody handles.
 * @param forget stops listening; the promise is then never settled.
 */
export function untilSignal(forget?: AbortSignal): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    };
    const onSignal = (signal: NodeJS.Signals) => {
      stop();
      resolve(signal);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    forget?.addEventListener("abort", stop, { once: true });
  });
}
