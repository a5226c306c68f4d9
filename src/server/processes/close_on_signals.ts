const signals = ["SIGTERM", "SIGINT"] as const;

/**
 * Has this process close something before a signal ends it; a second signal ends it at once.
 * @returns undoes that.
 */
export function closeOnSignals(close: () => Promise<void>): () => void {
  const handlers = signals.map((signal) => {
    const onSignal = (): void => {
      stop();
      const end = () => process.kill(process.pid, signal);
      close().then(end, end);
    };
    process.on(signal, onSignal);
    return { signal, onSignal };
  });
  const stop = (): void => {
    for (const { signal, onSignal } of handlers) process.off(signal, onSignal);
  };
  return stop;
}
