/**
 * The session code as it ships, but with a pause before every access to shared memory: each method becomes a generator
 * that yields the access instead of making it. So a test decides which thread makes its next one, or never does.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

/**
 * One access of shared memory, to be made by whoever drives the generator: together with the one before it where it is
 * no atomic one, since what is read so does not change while it may be read.
 */
export type Access = (() => unknown) & { readonly immediate?: true };

/**
 * A loop begins, or takes another turn. The loops of this code keep nothing from turn to turn but a count that bounds
 * them, so a thread that takes another turn is where it was when the loop began.
 */
export const LoopMark = { begin: "begin", turn: "turn" } as const;
export type LoopMark = (typeof LoopMark)[keyof typeof LoopMark];

/** A call that has been cut into its accesses. */
export type Stepped<Result> = Generator<Access | LoopMark, Result, unknown>;

/** A mistake, put into a module before it is cut: `from` must be there. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const dist = resolve(import.meta.dirname, "../../../dist");
const cutFiles = new Set(
  ["free_ring", "own_slots", "allocation", "table", "recovery", "inbox_writer"].map((name) =>
    join(dist, "session", `${name}.js`),
  ),
);
cutFiles.add(join(dist, "native", "ring.js"));

/** What these modules export, cut, with those that they need. */
export function loadStepped<Module>(files: readonly string[], mutations: readonly Mutation[] = []): Module {
  const loaded = new Map<string, object>();
  const plain = createRequire(import.meta.url);
  const left = new Set(mutations);
  const load = (path: string): object => {
    const known = loaded.get(path);
    if (known !== undefined) return known;
    const exports = {};
    loaded.set(path, exports);
    const code = compile(path, mutate(path, mutations, left));
    const require = (name: string) => (name.startsWith(".") ? load(join(dirname(path), name)) : plain(name));
    new Function("require", "exports", code)(require, exports);
    return exports;
  };
  const module = Object.assign({}, ...files.map((file) => load(join(dist, file)))) as Module;
  if (left.size > 0) throw new Error(`nothing to mutate in ${[...left].map(({ file }) => file).join(", ")}`);
  return module;
}

function mutate(path: string, mutations: readonly Mutation[], left: Set<Mutation>): string {
  let source = readFileSync(path, "utf8");
  for (const mutation of mutations) {
    if (path !== join(dist, mutation.file)) continue;
    if (source.split(mutation.from).length !== 2) throw new Error(`not once in ${path}: ${mutation.from}`);
    source = source.replace(mutation.from, () => mutation.to);
    left.delete(mutation);
  }
  return source;
}

function compile(path: string, source: string): string {
  const options = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    ignoreDeprecations: "6.0",
  };
  const transformers = cutFiles.has(path) ? { before: [cut(path.includes("session"))] } : {};
  return ts.transpileModule(source, { compilerOptions: options, transformers }).outputText;
}

/** The methods that access nothing and call none that does. */
function plainMethodsOf(file: ts.SourceFile): Set<string> {
  const methods = file.statements
    .filter(ts.isClassDeclaration)
    .flatMap(({ members }) => members.filter(ts.isMethodDeclaration));
  const bodies = new Map(
    methods.map((method) => [method.name.getText(file), method.body?.getText(file) ?? ""]),
  );
  const plain = new Set<string>();
  for (let found = -1; found !== plain.size; ) {
    found = plain.size;
    for (const [name, body] of bodies) {
      const called = [...body.matchAll(/this\.([\w#.?]+)\(/g)].map(([, callee]) => callee!);
      if (!/\bAtomics\.|\bwords\[/.test(body) && called.every((callee) => plain.has(callee))) plain.add(name);
    }
  }
  return plain;
}

/** A loop without an end, or with one that only damage reaches, which keeps nothing from turn to turn. */
function isRetried({ initializer, condition, statement }: ts.ForStatement, file: ts.SourceFile): boolean {
  if (/\bthis\.#?\w+ = /.test(statement.getText(file))) return false;
  if (condition === undefined) return true;
  if (initializer === undefined || !ts.isVariableDeclarationList(initializer)) return false;
  const name = initializer.declarations[0]?.name;
  return name !== undefined && ts.isIdentifier(name) && name.text === "turn";
}

/** A word of shared memory, read or stored without Atomics. */
function isWord(node: ts.Node): node is ts.ElementAccessExpression {
  return (
    ts.isElementAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "words"
  );
}

function isStore(node: ts.Node): node is ts.BinaryExpression {
  return (
    ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && isWord(node.left)
  );
}

/**
 * With `hasPlainWords`, what is done to a word without Atomics is a step as well: elsewhere that is only done to words
 * that no other thread has now. Methods become generators, accesses are yielded, and calls of methods are gone through
 * step by step.
 */
const cut =
  (hasPlainWords: boolean): ts.TransformerFactory<ts.SourceFile> =>
  (context) =>
  (file) => {
    const { factory } = context;
    const plain = plainMethodsOf(file);
    const yieldAccess = (expression: ts.Expression, immediate = false): ts.Expression => {
      const access = factory.createArrowFunction(undefined, undefined, [], undefined, undefined, expression);
      const mark = factory.createObjectLiteralExpression([
        factory.createPropertyAssignment("immediate", factory.createTrue()),
      ]);
      const assign = factory.createPropertyAccessExpression(factory.createIdentifier("Object"), "assign");
      const marked = immediate ? factory.createCallExpression(assign, undefined, [access, mark]) : access;
      return factory.createParenthesizedExpression(factory.createYieldExpression(undefined, marked));
    };
    const mark = (kind: LoopMark): ts.Statement =>
      factory.createExpressionStatement(
        factory.createYieldExpression(undefined, factory.createStringLiteral(kind)),
      );
    const inMethod = (node: ts.Node): ts.Node => {
      const visited = ts.visitEachChild(node, inMethod, context);
      if (
        ts.isForStatement(node) &&
        ts.isForStatement(visited) &&
        isRetried(node, file) &&
        ts.isBlock(visited.statement)
      ) {
        const { initializer, condition, incrementor } = visited;
        const body = factory.createBlock([mark(LoopMark.turn), ...visited.statement.statements]);
        const loop = factory.createForStatement(initializer, condition, incrementor, body);
        return factory.createBlock([mark(LoopMark.begin), loop]);
      }
      // A word that is read without Atomics: what it was then must not be read again when the call is gone through again.
      if (isWord(visited)) {
        return isStore(node.parent) && node.parent.left === node
          ? visited
          : yieldAccess(visited, !hasPlainWords);
      }
      if (isStore(visited)) return hasPlainWords ? yieldAccess(visited) : visited;
      if (!ts.isCallExpression(visited)) return visited;
      const callee = visited.expression;
      if (!ts.isPropertyAccessExpression(callee)) return visited;
      if (ts.isIdentifier(callee.expression) && callee.expression.text === "Atomics")
        return yieldAccess(visited);
      const target = callee.expression.getText(file);
      if (/^this(\.#?\w+)*\.#directory$/.test(target)) return yieldAccess(visited);
      if (/#data$/.test(target)) return yieldAccess(visited);
      if (!/^this(\.#?(table|allocation|own|freeRing))*$/.test(target)) return visited;
      if (target === "this" && plain.has(callee.name.text)) return visited;
      return factory.createParenthesizedExpression(
        factory.createYieldExpression(factory.createToken(ts.SyntaxKind.AsteriskToken), visited),
      );
    };
    const inClass = (node: ts.Node): ts.Node => {
      const isCut =
        ts.isMethodDeclaration(node) &&
        !node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) &&
        node.asteriskToken === undefined &&
        !plain.has(node.name.getText(file));
      if (!isCut || node.body === undefined) {
        return ts.isClassDeclaration(node) || ts.isSourceFile(node)
          ? ts.visitEachChild(node, inClass, context)
          : node;
      }
      const body = ts.visitEachChild(node.body, inMethod, context);
      return factory.updateMethodDeclaration(
        node,
        node.modifiers,
        factory.createToken(ts.SyntaxKind.AsteriskToken),
        node.name,
        undefined,
        undefined,
        node.parameters,
        undefined,
        body,
      );
    };
    return ts.visitNode(file, inClass) as ts.SourceFile;
  };
