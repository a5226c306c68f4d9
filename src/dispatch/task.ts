/** Work for a {@link Dispatcher}: most often one message and its handler. It owns whatever bytes it handles. */
export interface Task {
  /**
   * Does the work. What it returns is awaited where it is a promise; where it is not, the work is done.
   * @param call tells the task when it is not wanted any more.
   */
  run(call: TaskCall): unknown;

  /**
   * The work failed: `run` threw or rejected, or took too long (HandlerTimeoutError). Called at most once, before the
   * next task of its key starts; not for a task that was cancelled. It must not throw: what it throws is an uncaught
   * exception.
   */
  fail(cause: unknown): void;
}

/** What a running task knows of its run. */
export interface TaskCall {
  /**
   * Aborted when the task takes too long (its reason is a HandlerTimeoutError) or its key is cancelled (the reason is
   * what `cancel` was given). Made when it is first asked for: a task that never asks costs nothing.
   */
  readonly signal: AbortSignal;

  /**
   * Waits without a place: others run meanwhile, but for those of the same key, which stay behind. The time does not
   * count as the task's, whose timeout begins anew afterwards.
   * @returns resolves after so many milliseconds, when there is a place again; at once where the task is to stop.
   */
  rest(ms: number): Promise<void>;
}
