/**
 * Compressions for the messages of sessions: values for `compression` of `connect` and `createServer`. A bundler for
 * browsers gets `deflate` by the package fflate.
 * @module millrace/compression
 */
export { brotli } from "./brotli.js";
export * from "./contract.js";
export { deflate } from "./deflate.js";
export { zstd } from "./zstd.js";
