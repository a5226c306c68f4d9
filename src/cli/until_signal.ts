/**
 * Resolves at SIGINT or SIGTERM, with its name. Ask before anything is said to be ready: whoever reads that may
 * send a signal at once. A second signal, while the program closes gracefully, ends it as if nobody had asked.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      resolve(signal);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}
