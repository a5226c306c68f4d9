import {
  AddressUnavailableError,
  ConnectionRefusedError,
  HandshakeTimeoutError,
  type MillraceError,
  ProtocolMismatchError,
  TimeoutError,
} from "../errors.js";
import { type Engine, expectHandle } from "../native/engine.js";
import type { NativeConnectionOptions } from "../native/environment.js";
import { watchAbort } from "../transport/abort_watch.js";
import { formatHost } from "../transport/address.js";
import type { ClientCredential } from "../transport/credential.js";
import { pinError } from "../transport/pins.js";
import { checkDestination, destinationOf } from "../transport/reachable.js";
import { resolveHost } from "../transport/resolve.js";
import { abortedError, throwIfAborted, within } from "../transport/wait.js";
import { type ConfigurationSettings, withClientConfiguration } from "./configuration.js";
import type { EngineConnection, Opening } from "./engine_connection.js";
import type { ServerTickets } from "./resumption/client_resumption.js";

/** Whom to connect to, and how. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly settings: ConfigurationSettings;
  readonly credential: ClientCredential;
  readonly connectionOptions: NativeConnectionOptions;
  readonly socket: "own" | "shared";
  readonly signal: AbortSignal | undefined;
  /** Undefined where sessions are not resumed. */
  readonly tickets?: ServerTickets | undefined;
}

/** Makes the connection object for a slot. */
export type MakeConnection<C> = (slot: number, generation: number, opening: Opening) => C;

/**
 * Opens a connection within `settings.handshakeTimeoutMs`, the name's resolution included, over all addresses of the
 * host: where the server does not listen on one, the next is tried.
 * @throws the classes of handshakeError in status.ts; AbortedError; AddressUnavailableError
 */
export async function dial<C extends EngineConnection>(
  engine: Engine,
  options: DialOptions,
  make: MakeConnection<C>,
): Promise<C> {
  const deadline = performance.now() + options.settings.handshakeTimeoutMs;
  throwIfAborted("connecting", options.signal);
  const { signal } = options;
  checkDestination({ scheme: "quic", ...options });
  const addresses = (await resolveInTime(options)).map(destinationOf);
  // A store that does not answer may not cost the connection.
  const patienceMs = Math.ceil(options.settings.handshakeTimeoutMs / 2);
  const stored = await options.tickets?.take({ signal, timeoutMs: patienceMs });
  // The server that gave the ticket is the one to show it to.
  if (stored !== undefined && addresses.includes(stored.address)) {
    addresses.sort((a, b) => Number(b === stored.address) - Number(a === stored.address));
  }
  return withClientConfiguration(engine, options.settings, options.credential, (configuration) =>
    dialAny(engine, options, configuration, addresses, stored?.ticket, deadline, make),
  );
}

async function resolveInTime({ host, signal, settings }: DialOptions): Promise<string[]> {
  try {
    return await within(resolveHost(host), "connecting", { signal, timeoutMs: settings.handshakeTimeoutMs });
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    throw new HandshakeTimeoutError(
      `"${host}" was not resolved within ${settings.handshakeTimeoutMs} ms; check the name servers of this machine`,
      { cause: error },
    );
  }
}

async function dialAny<C extends EngineConnection>(
  engine: Engine,
  options: DialOptions,
  configuration: number,
  addresses: readonly string[],
  ticket: Uint8Array | undefined,
  deadline: number,
  make: MakeConnection<C>,
): Promise<C> {
  let refused: unknown;
  let unused = ticket; // the first attempt shows it, and it is used then
  for (const address of addresses) {
    throwIfAborted("connecting", options.signal);
    try {
      return await attempt(
        engine,
        options,
        configuration,
        address,
        unused,
        deadline - performance.now(),
        make,
      );
    } catch (error) {
      // msquic's listeners have one socket for all addresses, and answer for those they do not listen on that no
      // protocol fits.
      const isElsewhere = error instanceof ConnectionRefusedError || error instanceof ProtocolMismatchError;
      if (!isElsewhere) throw error;
      refused ??= error;
      unused = undefined;
    }
  }
  throw refused;
}

function attempt<C extends EngineConnection>(
  engine: Engine,
  options: DialOptions,
  configuration: number,
  address: string,
  ticket: Uint8Array | undefined,
  timeoutMs: number,
  make: MakeConnection<C>,
): Promise<C> {
  const { host, port, signal, tickets, credential } = options;
  const early = ticket !== undefined && tickets?.earlyData === true;
  const where = `${formatHost(host)}:${port}`;
  return new Promise((resolve, reject) => {
    let unwatch = () => {}; // what fails before the signal is watched has nothing to end
    const settle = () => {
      clearTimeout(timer);
      unwatch();
    };
    // msquic's own handshake timeout counts silence only, so the deadline is held here as well.
    const giveUp = (error: MillraceError) => {
      settle();
      connection.abandon(error);
      reject(error);
    };
    const timer = setTimeout(() => giveUp(timeoutError(where)), Math.max(0, timeoutMs));
    const opening: Opening = {
      where,
      ready() {
        // The application opens its streams in the turn that follows; then the first packets go.
        resolve(connection);
        setImmediate(() => engine.launch(connection));
      },
      fault(shown) {
        const { pins } = credential;
        const certificate = pins && shown();
        // A session that is resumed shows none: its ticket was earned by the same trust.
        const isResumed = certificate === undefined && ticket !== undefined;
        return isResumed ? undefined : pinError(pins, certificate, where);
      },
      opened() {
        settle();
        resolve(connection);
      },
      failed(error) {
        settle();
        reject(error);
      },
    };
    let connection: C;
    try {
      const handle = engine.native.connect(
        configuration,
        address,
        port,
        credential.serverName,
        options.connectionOptions,
        options.socket === "shared",
        ticket,
        early,
      );
      if (typeof handle === "number") throw noSuchZone(address);
      const [slot, generation] = expectHandle(handle);
      connection = make(slot, generation, opening);
    } catch (error) {
      settle();
      reject(error);
      return;
    }
    engine.register(connection);
    unwatch = watchAbort(signal, () => giveUp(abortedError("connecting", signal)));
  });
}

function noSuchZone(address: string): AddressUnavailableError {
  return new AddressUnavailableError(
    `${address} is behind no interface of this machine; check the name after the %`,
  );
}

function timeoutError(where: string): HandshakeTimeoutError {
  return new HandshakeTimeoutError(
    `${where} did not answer in time; check the address, and that UDP is not blocked on the way`,
  );
}
