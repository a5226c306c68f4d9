import type { NodeOptions } from "../node.js";
import type { Group } from "../threads/group.js";
import { NodeUrls } from "./node_urls.js";

/** Which server a group is among others, where the application does not say. */
export function nodeOf({ resumeSecret: secret, node }: Group): NodeOptions {
  if (node === undefined) return { number: 0, secret };
  const urls = new NodeUrls(node.urls);
  return { number: node.number, secret, targetOf: (other, at) => urls.targetOf(node.number, other, at) };
}
