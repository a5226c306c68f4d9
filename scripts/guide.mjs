// Puts the examples into the guide: each block of code behind `<!-- example: FILE -->` is that file, whole.
// With --check it changes nothing, and fails where they differ.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments, runMain, SetupFailure } from "./setup/failure.mjs";
import { root } from "./setup/tree.mjs";

const guide = join(root, "docs", "quic.md");

await runMain(async () => {
  const given = readArguments("npm run guide", ["--check"]);
  const before = readFileSync(guide, "utf8");
  const after = before.replaceAll(
    /(<!-- example: (\S+) -->\n)```js\n.*?```\n/gs,
    (_block, marker, file) => `${marker}\`\`\`js\n${readFileSync(join(root, file), "utf8")}\`\`\`\n`,
  );
  if (after === before) return;
  if (given.includes("--check")) {
    throw new SetupFailure("docs/quic.md shows other code than examples/quic: npm run guide");
  }
  writeFileSync(guide, after);
});
