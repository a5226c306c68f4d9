import assert from "node:assert/strict";
import type { ClientBehaviour, ClientSession } from "millrace/client";
import type { Server, ServerBehaviour } from "millrace/server";
import { until } from "../../kit/until.js";

/** Numbered messages both ways at once, whose connection is given up in the middle of each round. */
export class Exchange {
  readonly #atServer: string[] = [];
  readonly #atClient: string[] = [];
  #sent = 0;
  /** What brings the server's messages here. */
  readonly serverBehaviour: ServerBehaviour<unknown> = {
    message: (_session, message) => this.#atServer.push(message.text()),
  };
  /** The same of the client's. */
  readonly clientBehaviour: ClientBehaviour = {
    message: (_session, message) => this.#atClient.push(message.text()),
  };

  /** @param comeBack resolves when the session has its next connection; called once a round. */
  async run(
    client: ClientSession,
    server: Pick<Server, "sendTo">,
    size: { readonly rounds: number; readonly each: number },
    comeBack: (round: number) => Promise<void>,
  ): Promise<void> {
    const { id } = client;
    for (let round = 0; round < size.rounds; round += 1) {
      for (let i = 0; i < size.each; i += 1) {
        const text = String(this.#sent++);
        assert.notEqual(client.send(text), "dropped");
        // The way to a thread that has no processor may be full.
        await until("there is room", () => server.sendTo(id, text) !== "dropped");
        if (i === size.each / 2) client.abandon();
      }
      await comeBack(round);
      assert.equal(client.id, id);
    }
  }

  /** Resolves when all has come: nothing lost, nothing twice, in order, both ways. */
  async isWhole(): Promise<void> {
    await until("all has come", () => Math.min(this.#atServer.length, this.#atClient.length) >= this.#sent);
    const expected = Array.from({ length: this.#sent }, (_, i) => String(i));
    assert.deepEqual(this.#atServer, expected);
    assert.deepEqual(this.#atClient, expected);
  }
}
