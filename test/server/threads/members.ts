import type { TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type { Group } from "#internal/server/threads/group.js";
import { deferred } from "../../kit/deferred.js";
import { identity } from "../../transport/suite/kit.js";

export interface MemberData {
  readonly group: Group;
  readonly url: string;
  readonly tls: typeof identity;
}

export type MemberCommand =
  /** Count to each client, from 0, and expect the same. */
  { readonly do: "count"; readonly to: number } | { readonly do: "exit" | "throw" | "close" };

export type MemberEvent =
  | { readonly event: "listening"; readonly url: string }
  | { readonly event: "heard"; readonly count: number }
  | { readonly event: "disorder"; readonly said: number; readonly expected: number };

/** A thread with a server of a group. */
export class Member {
  url = "";
  heard = 0;
  readonly disorders: MemberEvent[] = [];
  readonly #worker: Worker;
  readonly #ended = deferred<void>();

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("error", () => {}); // some are told to throw
    worker.on("exit", () => this.#ended.resolve());
  }

  static async start(t: TestContext, group: Group, url: string): Promise<Member> {
    const workerData: MemberData = { group, url, tls: identity };
    const worker = new Worker(new URL("./member.js", import.meta.url), { workerData });
    const member = new Member(worker);
    t.after(() => member.end("close"));
    const listening = deferred<void>();
    worker.on("message", (event: MemberEvent) => {
      if (event.event === "listening") {
        member.url = event.url;
        listening.resolve();
      } else if (event.event === "heard") member.heard = event.count;
      else member.disorders.push(event);
    });
    await Promise.race([listening.promise, member.#ended.promise]);
    return member;
  }

  tell(command: MemberCommand): void {
    this.#worker.postMessage(command);
  }

  async end(how: "exit" | "throw" | "close"): Promise<void> {
    this.tell({ do: how });
    await this.#ended.promise;
  }
}
