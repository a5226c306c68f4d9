/**
 * What schemas of every library that follows the Standard Schema specification have: Valibot, Zod, ArkType and others.
 * @see https://standardschema.dev, version 1
 */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    /** Says what the schema makes of a value, at once or later. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  };
}

/** A value, or what is wrong with the one that was given. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** What is wrong with a value, and where in it. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export function isStandardSchema(value: unknown): value is StandardSchema {
  // A library's schemas may be functions.
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as { "~standard"?: { version?: unknown; validate?: unknown } })["~standard"];
  return standard?.version === 1 && typeof standard.validate === "function";
}

/** The first few issues as one line: where, and what. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  const lines = issues.slice(0, 3).map(({ message, path = [] }) => {
    const keys = path.map((segment) => String(typeof segment === "object" ? segment.key : segment));
    return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
  });
  return issues.length > 3 ? `${lines.join("; ")}; and ${issues.length - 3} more` : lines.join("; ");
}
