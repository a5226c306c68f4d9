/** Options as they are read: every one has a value. (`Required` would leave the `undefined` of a declared type.) */
export type Complete<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> };
