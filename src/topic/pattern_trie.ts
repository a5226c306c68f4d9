import { RecurrentMap } from "../list/recurrent_map.js";

interface Node<Value> {
  /** By token. In a Map, so that no token is the name of something else. */
  children: RecurrentMap<string, Node<Value>> | undefined;
  /** Below `*`. */
  any: Node<Value> | undefined;
  /** Of the pattern that ends here. */
  value: Value | undefined;
  /** Of the pattern that ends here with one more token, `>`. */
  rest: Value | undefined;
}

/**
 * Values by pattern, found by the subjects that the patterns match. A search visits those prefixes of patterns that match
 * a prefix of the subject: one for each choice of places where they have a `*`. A sound pattern has no more than four, so
 * a subject of 8 tokens visits 381 nodes at worst, and one of 16 tokens 9,401, whatever anybody subscribes to; and never
 * more than n + 1 for each pattern.
 */
export class PatternTrie<Value extends object> {
  readonly #root: Node<Value> = emptyNode();
  #size = 0;
  #nodes = 0;
  #visits = 0;

  get size(): number {
    return this.#size;
  }

  /** What it takes: about 150 B each. */
  get nodeCount(): number {
    return this.#nodes;
  }

  /** How many nodes all searches have visited: what they have cost. */
  get visitCount(): number {
    return this.#visits;
  }

  get(pattern: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root;
    for (const token of pattern.split(".")) {
      if (token === ">") return node.rest;
      node = childOf(node, token);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  /** The pattern must be sound. */
  set(pattern: string, value: Value): void {
    let node = this.#root;
    for (const token of pattern.split(".")) {
      if (token === ">") {
        if (node.rest === undefined) this.#size += 1;
        node.rest = value;
        return;
      }
      node = childOf(node, token) ?? this.#addChild(node, token);
    }
    if (node.value === undefined) this.#size += 1;
    node.value = value;
  }

  /** Its nodes go with it where nothing else is below them. */
  delete(pattern: string): boolean {
    if (!this.#removeBelow(this.#root, pattern.split("."), 0)) return false;
    this.#size -= 1;
    return true;
  }

  /** The values of all patterns that match a subject, in no particular order. */
  match(subject: string): Value[] {
    const found: Value[] = [];
    if (this.#size > 0) this.#visits += collect(this.#root, subject.split("."), 0, found);
    return found;
  }

  #addChild(node: Node<Value>, token: string): Node<Value> {
    const child = emptyNode<Value>();
    if (token === "*") {
      node.any = child;
    } else {
      node.children ??= new RecurrentMap();
      node.children.set(token, child);
    }
    this.#nodes += 1;
    return child;
  }

  #removeChild(node: Node<Value>, token: string): void {
    if (token === "*") {
      node.any = undefined;
    } else {
      node.children?.delete(token);
      if (node.children?.size === 0) node.children = undefined;
    }
    this.#nodes -= 1;
  }

  #removeBelow(node: Node<Value>, tokens: readonly string[], depth: number): boolean {
    const token = tokens[depth];
    if (token === undefined || token === ">") {
      const end = token === undefined ? "value" : "rest";
      const isThere = node[end] !== undefined;
      node[end] = undefined;
      return isThere;
    }
    const child = childOf(node, token);
    if (child === undefined || !this.#removeBelow(child, tokens, depth + 1)) return false;
    if (isEmpty(child)) this.#removeChild(node, token);
    return true;
  }
}

function emptyNode<Value>(): Node<Value> {
  return { children: undefined, any: undefined, value: undefined, rest: undefined };
}

function isEmpty(node: Node<unknown>): boolean {
  return (
    node.children === undefined &&
    node.any === undefined &&
    node.value === undefined &&
    node.rest === undefined
  );
}

function childOf<Value>(node: Node<Value>, token: string): Node<Value> | undefined {
  return token === "*" ? node.any : node.children?.get(token);
}

/** Patterns have at most 16 tokens, so neither this nor removing goes deep. @returns how many nodes were visited. */
function collect<Value>(node: Node<Value>, tokens: readonly string[], depth: number, found: Value[]): number {
  const token = tokens[depth];
  if (token === undefined) {
    if (node.value !== undefined) found.push(node.value);
    return 1;
  }
  if (node.rest !== undefined) found.push(node.rest);
  let visits = 1;
  const child = node.children?.get(token);
  if (child !== undefined) visits += collect(child, tokens, depth + 1, found);
  if (node.any !== undefined) visits += collect(node.any, tokens, depth + 1, found);
  return visits;
}
