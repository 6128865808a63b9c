// The entry for browsers and bundlers with what surrounds a decision. Its types are those of `index.ts`.

import { download } from "./engine.js";
import { entry } from "./entry.js";
import { files } from "./files.js";
import { modules } from "./agent-modules.js";

export { FieldscoreError } from "./error.js";
export { Scorer } from "./scorer.js";

export const { init, openBundle, BundleStore } = entry(files(modules, download));
