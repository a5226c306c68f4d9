/** A reporter of node's test runner: the path of each test file that failed, a line each. */
// biome-ignore lint/style/noDefaultExport: node takes a reporter so.
export default async function* failedFiles(events) {
  for await (const { type, data } of events) {
    // A file is told of as a test whose name is its path.
    if (type === "test:complete" && data.name === data.file && !data.details.passed) yield `${data.file}\n`;
  }
}
