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

/**
 * Calls a function at each SIGHUP, one at a time, where nobody sits before it: a terminal sends that when it is closed, and
 * so does Windows to a program whose time is over.
 * @returns ends that
 */
export function onHangUp(act: () => Promise<void>): () => void {
  if (process.stdout.isTTY || process.platform === "win32") return () => {};
  let last = Promise.resolve();
  const onSignal = (): void => {
    last = last.then(act);
  };
  process.on("SIGHUP", onSignal);
  return () => void process.off("SIGHUP", onSignal);
}
