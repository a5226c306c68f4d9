/** Asynchronous jobs one after the other, in the order in which they were asked for, whether they succeed or not. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what the job returns, when its turn has come. */
  take<T>(job: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(job, job);
    this.#last = turn;
    return turn;
  }
}
