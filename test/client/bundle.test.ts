import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build as buildWithEsbuild } from "esbuild";
import { build as buildWithVite, type Rollup } from "vite";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const connecting = 'export { connect } from "millrace/client";';

/** What a page that speaks sessions may cost before it connects, each of its files compressed. */
const mostFirstBytes = 21.25 * 1024;

/** The same, and what it loads while it connects. */
const mostSessionBytes = 38.6 * 1024;

/** All of it. */
const mostBytes = 44.25 * 1024;

/** What it costs more that compresses. */
const mostCompressionBytes = 7 * 1024;

/** What a page loads before it runs. */
interface Bundle extends Loaded {
  /** What it loads by then with the file that has a source. */
  with(source: string): Loaded;
  /** What it loads when it needs it. */
  readonly later: Loaded;
}

interface Loaded {
  /** Of all files together, each compressed. */
  readonly gzipBytes: number;
  /** What it was made of, from the project's root. */
  readonly sources: readonly string[];
}

/** A file that a bundler has made. */
interface Chunk {
  readonly code: string;
  readonly sources: readonly string[];
  /** Those that it cannot be without, by their names. */
  readonly imports: readonly string[];
}

/** Files, and all that they cannot be without. */
function closure(names: Iterable<string>, chunks: ReadonlyMap<string, Chunk>): ReadonlySet<string> {
  const all = new Set(names);
  for (const name of all) for (const other of chunks.get(name)!.imports) all.add(other);
  return all;
}

function bundleOf(entry: string, chunks: ReadonlyMap<string, Chunk>): Bundle {
  const first = closure([entry], chunks);
  const gather = (isWanted: (name: string) => boolean) => {
    const wanted = [...chunks].filter(([name]) => isWanted(name)).map(([, chunk]) => chunk);
    return {
      gzipBytes: wanted.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0),
      sources: wanted.flatMap(({ sources }) => sources),
    };
  };
  return {
    ...gather((name) => first.has(name)),
    with(source) {
      const [name] = [...chunks].find(([, { sources }]) => sources.includes(source))!;
      const all = closure([...first, name], chunks);
      return gather((one) => all.has(one));
    },
    later: gather((name) => !first.has(name)),
  };
}

async function bundledByEsbuild(contents: string): Promise<Bundle> {
  const { outputFiles, metafile } = await buildWithEsbuild({
    stdin: { contents, resolveDir: root },
    bundle: true,
    platform: "browser",
    format: "esm",
    minify: true,
    splitting: true,
    outdir: root,
    write: false,
    metafile: true,
    logLevel: "silent", // what cannot be resolved, as Node's own modules, is thrown
  });
  const chunks = Object.entries(metafile.outputs).map(([path, { inputs, imports }]): [string, Chunk] => {
    const { text: code } = outputFiles.find((file) => relative(root, file.path) === path)!;
    const needed = imports.filter(({ kind }) => kind === "import-statement").map((one) => one.path);
    return [path, { code, sources: Object.keys(inputs), imports: needed }];
  });
  const [entry] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === "<stdin>")!;
  return bundleOf(entry, new Map(chunks));
}

async function bundledByVite(contents: string): Promise<Bundle> {
  const entry = join(root, "page.js");
  const built = (await buildWithVite({
    root,
    configFile: false,
    logLevel: "silent",
    plugins: [
      {
        name: "page",
        resolveId: (id) => (id === "page.js" ? entry : undefined),
        load: (id) => (id === entry ? contents : undefined),
      },
    ],
    build: {
      write: false,
      modulePreload: false,
      rollupOptions: { input: "page.js", preserveEntrySignatures: "strict" },
    },
  })) as Rollup.RollupOutput;
  const output = built.output.filter((file) => file.type === "chunk");
  const chunks = output.map(({ fileName, code, modules, imports }): [string, Chunk] => {
    const sources = Object.keys(modules).map((path) => relative(root, path));
    return [fileName, { code, sources, imports }];
  });
  return bundleOf(output.find(({ isEntry }) => isEntry)!.fileName, new Map(chunks));
}

for (const [bundler, bundled] of [
  ["esbuild", bundledByEsbuild],
  ["Vite", bundledByVite],
] as const) {
  describe(`millrace/client, bundled by ${bundler} for browsers`, () => {
    test("is small, and has nothing of Node.js, no native code and no package but valibot", async () => {
      const { gzipBytes, sources } = await bundled(connecting);
      assert.ok(sources.includes("dist/client/browser.js"));
      const unwanted = sources.filter((path) =>
        /native|quic|tcp|ws\/|uws|server|dist\/compression|node_modules\/(?!valibot\/)/.test(path),
      );
      assert.deepEqual(unwanted, []);
      assert.ok(gzipBytes <= mostFirstBytes, `${gzipBytes} bytes`);
    });

    test("loads what carries a session while it connects, and not before", async () => {
      const page = await bundled(connecting);
      const session = page.with("dist/client/client_session.js");
      for (const name of ["client/reconnection", "client/journal", "client/pace", "delivery/session_half"]) {
        assert.ok(!page.sources.includes(`dist/${name}.js`), `${name} is loaded at first`);
        assert.ok(session.sources.includes(`dist/${name}.js`), `${name} is not there`);
      }
      assert.ok(session.gzipBytes <= mostSessionBytes, `${session.gzipBytes} bytes`);
      const bytes = page.gzipBytes + page.later.gzipBytes;
      assert.ok(bytes <= mostBytes, `${bytes} bytes`);
    });

    test("loads what not every session needs where one does, and not before", async () => {
      const { later, with: having } = await bundled(connecting);
      const { sources } = having("dist/client/client_session.js");
      const extras = ["extras", "topics", "subscription", "routes", "race", "discovery", "linger"];
      for (const name of extras.map((one) => `dist/client/${one}.js`)) {
        assert.ok(!sources.includes(name), `${name} is loaded for each`);
        assert.ok(later.sources.includes(name), `${name} is not there`);
      }
      const all = [...sources, ...later.sources];
      const unusable = ["probe", "switch_policy", "early_flight", "route_watch"];
      assert.deepEqual(
        unusable.filter((name) => all.includes(`dist/client/${name}.js`)),
        [],
        "which no page can use",
      );
    });

    test("has large messages only where they are used, and nothing of Node.js for them", async () => {
      assert.deepEqual(
        (await bundled(connecting)).sources.filter((path) => path.startsWith("dist/large/")),
        [],
      );
      const { sources } = await bundled('export { sendLarge, clientReceivesLarge } from "millrace/large";');
      assert.ok(sources.includes("dist/large/send_large.js"));
      assert.deepEqual(
        sources.filter((path) => /native|quic|tcp|ws\/|uws|dist\/(server|client)\//.test(path)),
        [],
      );
    });

    test("has compression only where that is used, by a library of its own", async () => {
      const compressing = `${connecting} export { deflate } from "millrace/compression";`;
      const [without, having] = [await bundled(connecting), await bundled(compressing)];
      const library = (path: string) => path.startsWith("node_modules/fflate/");
      assert.ok(!without.sources.some(library));
      assert.ok(having.sources.includes("dist/compression/page_deflate.js"));
      assert.deepEqual(having.sources.filter(library), ["node_modules/fflate/esm/browser.js"]);
      assert.ok(!having.sources.includes("dist/frame/compression.js"), "which is Node's");
      const more = having.gzipBytes - without.gzipBytes;
      assert.ok(more <= mostCompressionBytes, `${more} bytes more`);
    });

    test("has the class of WebSockets only where that is used", async () => {
      const socket = "dist/client/web_socket.js";
      assert.ok(!(await bundled(connecting)).sources.includes(socket));
      const { sources } = await bundled('export { createWebSocketClass } from "millrace/client";');
      assert.ok(sources.includes(socket));
    });

    test("has the loop over messages only where that is used", async () => {
      const loop = "dist/client/messages_of.js";
      assert.ok(!(await bundled(connecting)).sources.includes(loop));
      const { sources } = await bundled('export { connect, messagesOf } from "millrace/client";');
      assert.ok(sources.includes(loop));
    });
  });
}
