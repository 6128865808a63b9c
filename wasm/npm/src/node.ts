// The entry for node; its types are those of `index.ts`.

import { entry } from "./entry.js";
import { files } from "./files.js";

export { FieldscoreError } from "./error.js";
export { Scorer } from "./scorer.js";

const read = async (url: URL) => (await import("node:fs/promises")).readFile(url);

export const { init, openBundle, BundleStore } = entry(files(read));
