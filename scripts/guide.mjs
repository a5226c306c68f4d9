// Puts the examples into the pages that show them: each block of code behind `<!-- example: FILE -->` is that file, whole.
// With --check it changes nothing, and fails where they differ.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments, runMain, SetupFailure } from "./setup/failure.mjs";
import { listFiles, root } from "./setup/tree.mjs";

await runMain(async () => {
  const check = readArguments("npm run guide", ["--check"]).includes("--check");
  for (const page of listFiles(["docs"], { take: (path) => path.endsWith(".md") })) {
    const before = readFileSync(join(root, page), "utf8");
    const after = before.replaceAll(
      /(<!-- example: (\S+) -->\n)```js\n.*?```\n/gs,
      (_block, marker, file) => `${marker}\`\`\`js\n${readFileSync(join(root, file), "utf8")}\`\`\`\n`,
    );
    if (after === before) continue;
    if (check) throw new SetupFailure(`${page} shows other code than its examples: npm run guide`);
    writeFileSync(join(root, page), after);
  }
});
