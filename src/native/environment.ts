/** The native side of one JavaScript thread, as bindings/environment_wrap.cc defines it. */

/** Slot and generation: names a connection or stream of this environment, and a stale one is detected. */
export type NativeHandle = readonly [slot: number, generation: number];

/** What connections of a listener, or of a connect call, have in common. */
export interface NativeConnectionOptions {
  /** Frames on lanes; otherwise raw streams and datagrams. */
  readonly framed: boolean;
  /** Each peer's certificate is a peerCertificate event, to be answered by `authenticate`. */
  readonly authenticates: boolean;
  readonly maxFrameBytes: number;
  readonly highWaterMarkBytes: number;
  /** How much a connection (framed) or stream (raw) may have unconsumed in the ring and in JavaScript. */
  readonly receiveCreditBytes: number;
  /** An unused lane's stream is finished after so long. */
  readonly laneIdleMs: number;
  /** Framed: the rest of a frame may take so long; 0 = for ever. */
  readonly frameTimeoutMs: number;
  /** Raw: how many streams the peer may abort a second, over ten seconds; 0 = any number. */
  readonly peerAbortsPerSecond: number;
  /** Of a server: its tickets come as events. */
  readonly wantsTickets: boolean;
}

/** How connections behave on the wire: native/quic/settings.h. */
export interface NativeSettings {
  readonly idleTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly disconnectTimeoutMs: number;
  /** 0 = off. */
  readonly keepAliveMs: number;
  readonly initialRttMs: number;
  readonly peerBidiStreams: number;
  readonly peerUniStreams: number;
  /** A power of two. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly minimumMtu: number;
  readonly maximumMtu: number;
  readonly congestionControl: "cubic" | "bbr";
  readonly datagrams: boolean;
  readonly sendBuffering: boolean;
}

/** Settings and credentials of msquic. */
export interface NativeConfigurationOptions extends NativeSettings {
  readonly alpns: readonly string[];
  readonly credential: NativeCredential;
  /** Server: gives tickets. */
  readonly resumption: boolean;
}

/** Who we are and whom we trust: native/quic/credential.h. */
export interface NativeCredential {
  readonly server: boolean;
  /** With its chain; empty for a client that has none. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly caPem: string;
  /** Takes any certificate of a peer; `caPem` is not read then. */
  readonly anyPeer: boolean;
  /** 0 none, 1 request, 2 require. */
  readonly clientCertificate: number;
  /** A bit each: 1 AES-128-GCM, 2 AES-256-GCM, 4 ChaCha20-Poly1305; 0 for all. */
  readonly cipherSuites: number;
  /** Empty for none. */
  readonly keyLogFile: string;
}

/** What a listener does with its tickets: native/quic/resumption.h. */
export interface NativeResumption {
  readonly earlyData: boolean;
  readonly ticketLifetimeMs: number;
  readonly maxTickets: number;
  /** 48 bytes each, native/quic/ticket.h. */
  readonly ticketKeys: Uint8Array;
}

/** How much a listener takes: native/quic/admission.h. Undefined: any number. */
export interface NativeAdmissionLimits {
  readonly maxConnections?: number | undefined;
  readonly maxConnectionsPerAddress?: number | undefined;
  readonly maxHandshakesPerAddress?: number | undefined;
}

/** What holds for the whole process: native/quic/engine_settings.h. What is undefined stays as it is. */
export interface NativeEngineSettings {
  readonly retryMemoryLimit: number | undefined;
  readonly loadBalancing: "none" | "address" | "serverId" | undefined;
  readonly serverId: number | undefined;
  /** 32 bytes. */
  readonly retrySecret: Uint8Array | undefined;
  readonly retryRotationMs: number | undefined;
}
/** The configurations of a listener by server name; the empty name is the default. */
export type NativeConfigurations = readonly (readonly [name: string, configuration: number])[];

export interface NativeEnvironment {
  configureEngine(request: number, settings: NativeEngineSettings): void;
  configure(request: number, options: NativeConfigurationOptions): number;
  releaseConfiguration(id: number): void;
  listen(
    request: number,
    configurations: NativeConfigurations,
    address: string,
    port: number,
    shared: boolean,
    alpns: readonly string[],
    options: NativeConnectionOptions,
    limits: NativeAdmissionLimits,
    /** What those who share the listener must have in common beside address and ALPN. */
    terms: string,
    /** The same of their TLS, which `updateListener` changes. */
    credential: string,
    resumption: NativeResumption | undefined,
  ): number;
  /** What a listener's limits have refused. */
  refusals(
    id: number,
  ): readonly [connections: number, connectionsPerAddress: number, handshakesPerAddress: number] | undefined;
  /** How many failed handshakes of a listener no event has told of; the next one is told again. */
  heedFailures(id: number): number;
  /** Handshakes from now on use these, for all that share the listener. */
  updateListener(request: number, id: number, configurations: NativeConfigurations, credential: string): void;
  /** Replaces the keys of a listener that gives tickets. */
  setTicketKeys(request: number, id: number, ticketKeys: Uint8Array): void;
  closeListener(request: number, id: number): void;
  connect(
    configuration: number,
    address: string,
    port: number,
    serverName: string,
    options: NativeConnectionOptions,
    sharedSocket: boolean,
    ticket: Uint8Array | undefined,
    waitsToStart: boolean,
  ): NativeHandle | number | undefined;
  /** Starts a connection that waits for it. */
  launch(slot: number, generation: number): void;
  closeConnection(
    slot: number,
    generation: number,
    code: number,
    reason: string,
    graceful: boolean,
    deadlineMs: number,
  ): void;
  /** Answers a peerCertificate event; a refusal has a TLS alert. */
  authenticate(slot: number, generation: number, accepted: boolean, alert: number): void;
  /** {u32 bytes, DER} for each, the peer's own first; undefined where it has none. */
  peerCertificate(slot: number, generation: number): Uint8Array | undefined;
  addresses(slot: number, generation: number): readonly [local: string, remote: string] | undefined;
  takePathChange(
    slot: number,
    generation: number,
  ): readonly [local: string, remoteBefore: string, remoteAfter: string] | undefined;
  rebind(
    request: number,
    slot: number,
    generation: number,
    address: string,
    port: number,
    timeoutMs: number,
  ): void;
  refreshStatistics(slot: number, generation: number): void;
  /** The answer is a record of EventKind.statistics. */
  requestStatistics(slot: number, generation: number): void;
  updateKeys(request: number, slot: number, generation: number, timeoutMs: number): void;
  openStream(
    slot: number,
    generation: number,
    unidirectional: boolean,
    failBlocked: boolean,
    priority: number,
    idempotent: boolean,
  ): NativeHandle | number;
  resetStream(slot: number, generation: number, code: number): void;
  stopSending(slot: number, generation: number, code: number): void;
  setPriority(slot: number, generation: number, priority: number): void;
  flush(bytes: number): boolean;
  send(
    kind: number,
    flags: number,
    slot: number,
    generation: number,
    head: Uint8Array,
    payload: Uint8Array | undefined,
  ): void;
  /** All pieces as one send; at most 4 GiB together. */
  writev(slot: number, generation: number, pieces: readonly Uint8Array[]): void;
  /** `kind` is the command that each of the handles would be sent; `lane` is for sendFrame. */
  publish(
    kind: number,
    lane: number,
    handles: Uint32Array,
    head: Uint8Array,
    payload: Uint8Array | undefined,
  ): number;
  resume(port: number, maxReaders: number): boolean;
  keepAlive(alive: boolean): void;
  /** Lets another thread have the core. */
  yield(): void;
}

export type NativeEnvironmentConstructor = new (
  rings: readonly Int32Array[],
  slotWords: Int32Array,
  outbound: Uint8Array,
  pump: () => void,
) => NativeEnvironment;
