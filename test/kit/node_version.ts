/** Of the Node.js that runs. */
export const [nodeMajor = 0, nodeMinor = 0] = process.versions.node.split(".").map(Number);

/** uWebSockets.js has binaries up to Node.js 22; from 24 on ws serves in its place. @see docs/decisions/websocket-libraries.md */
export const hasUws: boolean = nodeMajor < 24;
