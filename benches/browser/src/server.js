// A server on this machine alone: the same headers for everybody's files, everything zipped
// beforehand, and kept by the browser as an app's versioned files are.

import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { constants, gzipSync } from "node:zlib";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};
const EMPTY = Buffer.from('<!doctype html><link rel="icon" href="data:,"><title>empty</title>');

/** Every file under the folders, by its path: `/first part/rest`. */
function files(folders) {
  const found = new Map([["/", packed(EMPTY, ".html")]]);
  for (const [first, folder] of Object.entries(folders)) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const address = `/${first}${path.slice(folder.length)}`;
      found.set(address, packed(readFileSync(path), extname(path)));
    }
  }
  return found;
}

function packed(bytes, extension) {
  return {
    body: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
    type: TYPES[extension] ?? "application/octet-stream",
  };
}

/** Serves folders under the first part of the path. */
export async function serve(folders) {
  const found = files(folders);
  const server = createServer((request, response) => {
    const file = found.get(new URL(request.url, "http://127.0.0.1").pathname);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": file.type,
      "content-encoding": "gzip",
      "content-length": file.body.length,
      "cache-control": "public, max-age=31536000, immutable",
    });
    response.end(file.body);
  });
  // Connections outlive the longest pause between two rounds.
  server.keepAliveTimeout = 600_000;
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => (server.closeAllConnections(), server.close()),
  };
}
