/** What decides whether a native binary fits this process. */
export interface Platform {
  /** `process.platform`. */
  readonly os: string;
  /** `process.arch`. */
  readonly arch: string;
  /** The C library; only Linux has a choice. */
  readonly libc: "gnu" | "musl" | undefined;
  /** The C library's version, where it tells. */
  readonly libcVersion: string | undefined;
  /** `process.version`. */
  readonly node: string;
}

/** The platform this process runs on. Costs some 8 ms on Linux, for the report that names the C library. */
export function currentPlatform(): Platform {
  const { platform: os, arch, version: node } = process;
  if (os !== "linux") return { os, arch, node, libc: undefined, libcVersion: undefined };
  const libcVersion = glibcVersion();
  return { os, arch, node, libc: libcVersion === undefined ? "musl" : "gnu", libcVersion };
}

/** The name that platform packages carry: `linux-x64-gnu`, `darwin-arm64`. */
export function platformName(platform: Platform): string {
  return [platform.os, platform.arch, platform.libc].filter((part) => part !== undefined).join("-");
}

/** For people: `linux-x64-gnu (glibc 2.36), Node.js v20.20.0`. */
export function describePlatform(platform: Platform): string {
  const version = platform.libcVersion === undefined ? "" : ` (glibc ${platform.libcVersion})`;
  return `${platformName(platform)}${version}, Node.js ${platform.node}`;
}

/** True where a version such as `2.31` comes before `2.35`. */
export function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [thanMajor = 0, thanMinor = 0] = than.split(".").map(Number);
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}

/** From Node 20.13 on; without it the report looks up the host name of every open socket's peer. */
type ReportSettings = NodeJS.ProcessReport & { excludeNetwork?: boolean };

function glibcVersion(): string | undefined {
  const settings: ReportSettings = process.report;
  const before = settings.excludeNetwork;
  settings.excludeNetwork = true;
  try {
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return report.header?.glibcVersionRuntime;
  } finally {
    if (before !== undefined) settings.excludeNetwork = before;
  }
}
