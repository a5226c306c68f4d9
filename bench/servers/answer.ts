// What bench/native/answer.h says, for servers in JavaScript.

export const answerAlpn = "millrace-bench";
export const answerStreams = 128;
export const answerWindowBytes = 256 * 1024;

const headBytes = 8;
const answers = new Uint8Array(64 * 1024).fill(0x61);

/** Reads the first bytes of a request: how long an answer is wanted, a 64-bit integer, little-endian. */
export class AnswerHead {
  #bytesRead = 0;
  #wanted = 0;
  #weight = 1;

  /** Takes the stream's next bytes, whatever they are. */
  read(chunk: Uint8Array): void {
    for (let i = 0; this.#bytesRead < headBytes && i < chunk.length; i += 1) {
      this.#wanted += chunk[i]! * this.#weight;
      this.#weight *= 256;
      this.#bytesRead += 1;
    }
  }

  /** The answer; send it with FIN once the request has ended. */
  get answer(): Uint8Array {
    return answers.subarray(0, this.#wanted);
  }
}
