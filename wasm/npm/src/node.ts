// The entry for node; its types are those of `index.ts`.

import { entry } from "./entry.js";
import { files } from "./files.js";
import { modules } from "./modules.js";
import { read } from "./read.js";

export { FieldscoreError } from "./error.js";
export { Scorer } from "./scorer.js";

export const { init, openBundle, BundleStore } = entry(files(modules, read));
