import { Backoff } from "./backoff.js";
import { beginSession } from "./begin.js";
import type { ClientBehaviour } from "./behaviour.js";
import { readClientOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { type Pool, type PoolOptions, readPoolOptions } from "./pool.js";
import { SessionPool } from "./session_pool.js";

/** Makes a pool, as `createPool` does. */
export async function beginPool<Events>(
  urls: string | readonly string[],
  options: PoolOptions,
  behaviour: ClientBehaviour<Events>,
  platform: Platform,
): Promise<Pool<Events>> {
  const { pool: own, sessions } = readPoolOptions(options);
  const { reconnect = readClientOptions({}).reconnect!, signal } = readClientOptions(
    sessions,
    platform.choice,
  );
  const { clock } = platform;
  const untyped = behaviour as unknown as ClientBehaviour; // what is carried is for the compiler alone
  const pool = new SessionPool(own, {
    connect: (each) => beginSession(urls, { ...sessions, signal: each }, untyped, platform),
    backoff: () => new Backoff(reconnect, clock),
    clock,
    signal,
  });
  await pool.begin();
  return pool as unknown as Pool<Events>;
}
