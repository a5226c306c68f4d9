import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/**
 * Opens a regular file. Of a FIFO, `open` waits for the other end, on one of the few threads that read files for the
 * whole process, and a device may go on for ever; so neither is waited for, nor opened.
 * @param flags those of `fs.constants`.
 * @returns undefined where the path names something else.
 * @throws the operating system's error.
 */
export async function openRegularFile(
  path: string,
  flags: number,
  mode?: number,
): Promise<FileHandle | undefined> {
  const { O_NONBLOCK = 0, O_NOCTTY = 0 } = constants; // 0 where the system has neither
  const file = await open(path, flags | O_NONBLOCK | O_NOCTTY, mode);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** All of an open file; undefined where that is more than `maxBytes`. */
export async function readAtMost(file: FileHandle, maxBytes: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(maxBytes + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
    if (bytesRead === 0) return bytes.slice(0, length);
    length += bytesRead;
  }
  return undefined;
}
