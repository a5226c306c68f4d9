import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { Program } from "./program.js";
import { until } from "./until.js";

const run = promisify(execFile);
const PREFIX = "millrace-";
let networks = 0;

/** A network namespace of its own: programs in it see its addresses, and nothing of the machine's. */
export class Namespace {
  readonly name: string;
  readonly #programs: Program[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Runs `ip` in it, words as on its command line. */
  async ip(command: string): Promise<void> {
    await run("ip", ["-n", this.name, ...command.split(" ")]);
  }

  /** Starts a module of ours in it, by its URL; see program.ts. */
  start(module: URL): Program {
    const program = new Program(module, ["ip", "netns", "exec", this.name]);
    this.#programs.push(program);
    return program;
  }

  async setting(path: string, value: number | string): Promise<void> {
    await run("ip", ["netns", "exec", this.name, "sh", "-c", `echo ${value} > /proc/sys/net/${path}`]);
  }

  /** Until then its cables drop what is sent, without a word. */
  async connected(): Promise<void> {
    await until(`the cables of ${this.name} carry`, async () => {
      const { stdout } = await run("ip", ["-n", this.name, "-o", "link", "show", "type", "veth"]);
      return stdout.split("\n").every((cable) => cable === "" || cable.includes(" state UP "));
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end()));
  }
}

/**
 * A client and a server with a middle between them, over cables of IPv4 and IPv6:
 *
 *   client 10.99.1.2 ── 10.99.1.1 middle 10.99.2.1 ── 10.99.2.2 server
 *          fd99:1::2    fd99:1::1        fd99:2::1    fd99:2::2
 *
 * The middle forwards packets, and is where a relay of ours may stand. The client's cable is `wan` at its end, the
 * server's too; the middle's ends are `client` and `server`.
 */
export class Network {
  readonly client: Namespace;
  readonly middle: Namespace;
  readonly server: Namespace;

  private constructor(name: string) {
    this.client = new Namespace(`${name}-client`);
    this.middle = new Namespace(`${name}-middle`);
    this.server = new Namespace(`${name}-server`);
  }

  /** Needs root, and removes what an earlier process left that did not live to do so. */
  static async make(): Promise<Network> {
    removeAbandoned();
    const network = new Network(`${PREFIX}${process.pid}-${++networks}`);
    const { client, middle, server } = network;
    for (const { name } of [client, middle, server]) {
      await run("ip", ["netns", "add", name]);
      await run("ip", ["-n", name, "link", "set", "lo", "up"]);
    }
    await network.#connect(client, "client", 1);
    await network.#connect(server, "server", 2);
    await Promise.all([client, middle, server].map((namespace) => namespace.connected()));
    await middle.setting("ipv4/ip_forward", 1);
    await middle.setting("ipv6/conf/all/forwarding", 1);
    return network;
  }

  /** Ends its programs, and takes it down. */
  async remove(): Promise<void> {
    const namespaces = [this.client, this.middle, this.server];
    await Promise.all(namespaces.map((namespace) => namespace.end()));
    for (const { name } of namespaces) await run("ip", ["netns", "delete", name]);
  }

  async #connect(end: Namespace, cable: string, subnet: number): Promise<void> {
    // Where both ends of a cable have the same index, each in its namespace, Linux lets it carry up to a second later.
    const index = ["index", String(100 + subnet)];
    const peer = ["type", "veth", "peer", "name", cable, "netns", this.middle.name];
    await run("ip", ["-n", end.name, "link", "add", "wan", ...index, ...peer]);
    for (const [namespace, device, host] of [
      [this.middle, cable, 1],
      [end, "wan", 2],
    ] as const) {
      await namespace.ip(`address add 10.99.${subnet}.${host}/24 dev ${device}`);
      await namespace.ip(`address add fd99:${subnet}::${host}/64 dev ${device} nodad`);
      await namespace.ip(`link set ${device} up`);
    }
    await end.ip(`route add default via 10.99.${subnet}.1`);
    await end.ip(`-6 route add default via fd99:${subnet}::1`);
  }
}

function removeAbandoned(): void {
  const list = execFileSync("ip", ["netns", "list"], { encoding: "utf8" });
  for (const line of list.split("\n")) {
    const [, name, pid] = /^(millrace-(\d+)-\S+)/.exec(line) ?? [];
    if (name !== undefined && !existsSync(`/proc/${pid}`)) execFileSync("ip", ["netns", "delete", name]);
  }
}
