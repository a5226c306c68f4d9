import { accessSync, constants } from "node:fs";
import { type Browser, launch } from "puppeteer-core";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Its first start takes long on a machine that does much else. */
const startMs = 120_000;

/** Starts a real Chromium: the one that CHROMIUM names, or the system's. */
export function launchBrowser(): Promise<Browser> {
  const args = ["--disable-dev-shm-usage"];
  // Chromium's sandbox refuses to run as root, as which containers run.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  const executablePath = process.env.CHROMIUM ?? findChromium();
  return launch({ executablePath, headless: true, args, timeout: startMs });
}

function findChromium(): string {
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next one.
    }
  }
  throw new Error(`no Chromium at ${candidates.join(", ")}; install it, or name it in CHROMIUM`);
}
