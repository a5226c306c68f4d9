// The layers of the source tree. An import points to its own step or to an earlier one, never to a later
// one, and what stands side by side in one step does not know of each other.
const steps = [
  ["errors", "list"],
  ["options"],
  ["native"],
  ["transport"],
  ["quic", "websocket", "tcp"],
  ["frame"],
  ["session", "udp"],
  ["delivery", "dispatch", "limit", "topic"],
  ["compression"],
  ["server", "client"],
  ["middleware", "large", "im", "cluster", "rpc", "push"],
  ["index"],
  ["metrics", "dashboard", "testing"],
  ["cli"],
];

const pattern = (names) => `^src/(${names.join("|")})(/|\\.ts$)`;

const upward = steps.slice(0, -1).map((names, index) => ({
  name: `${names.join("-")}-imports-nothing-above`,
  severity: "error",
  comment: "An import points down the layers, never up: move the code, or pass it in from above.",
  from: { path: pattern(names) },
  to: { path: pattern(steps.slice(index + 1).flat()) },
}));

const sideways = steps
  .filter((names) => names.length > 1)
  .flatMap((names) =>
    names.map((name) => ({
      name: `${name}-imports-no-sibling`,
      severity: "error",
      comment: "Siblings of a layer share what is below them, and meet above.",
      from: { path: pattern([name]) },
      to: { path: pattern(names.filter((other) => other !== name)) },
    })),
  );

module.exports = {
  forbidden: [
    ...upward,
    ...sideways,
    {
      name: "every-folder-has-a-layer",
      severity: "error",
      comment: "A new folder of src/ takes its place in the list of steps above.",
      from: { path: "^src/", pathNot: pattern(steps.flat()) },
      to: {},
    },
    {
      name: "no-cycles",
      severity: "error",
      comment: "Two files that need each other are one file, or need a third. Types may name each other.",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-development-packages",
      severity: "error",
      comment: "The published package does not have them. Tests need the optional peers, which are both.",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"],
        dependencyTypesNot: ["type-only", "npm-peer"],
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "default"],
    },
  },
};
