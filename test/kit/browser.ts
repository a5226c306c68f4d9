import { accessSync, constants } from "node:fs";
import { type Browser, launch } from "puppeteer-core";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts a real Chromium: the one that CHROMIUM names, or the system's. */
export function launchBrowser(): Promise<Browser> {
  const args = ["--disable-dev-shm-usage"];
  // Chromium's sandbox refuses to run as root, as which containers run.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return launch({ executablePath: process.env.CHROMIUM ?? findChromium(), headless: true, args });
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
