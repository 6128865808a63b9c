// Files in node.

/** @internal A file's bytes. */
export const read = async (url: URL) => (await import("node:fs/promises")).readFile(url);
