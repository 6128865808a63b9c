// The entry that needs no asset, with what surrounds a decision. Its types are those of `index.ts`.

import { entry } from "./entry.js";
import { inlined } from "./files.js";
import { modules } from "./agent-modules.js";

export { FieldscoreError } from "./error.js";
export { Scorer } from "./scorer.js";

export const { init, openBundle, BundleStore } = entry(inlined(modules));
