const width = 40;

/** A bar on a terminal, and nothing anywhere else. */
export function progressBar(stream) {
  if (!stream.isTTY) return { show() {}, end() {} };
  return {
    show(what, done, all) {
      const full = Math.round((done / all) * width);
      stream.write(`\r${what.padEnd(10)} [${"#".repeat(full).padEnd(width)}] ${done} of ${all}\u001b[K`);
    },
    end: () => stream.write("\r\u001b[K"),
  };
}
