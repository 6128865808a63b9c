// A server of files on this machine alone, with the strictest policy that the form needs.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

/** No inline script or style, no eval but wasm's, no other origin. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.fsb': 'application/octet-stream',
};

/**
 * Serves `root`. `given` holds answers that go before files: path to bytes, to a status, or to a
 * function of request and response.
 */
export function serve(root, given = new Map(), port = 0) {
  const server = createServer((request, response) => {
    answer(root, given, request, response).catch(() => response.writeHead(500).end());
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function answer(root, given, request, response) {
  let path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  if (path.endsWith('/')) path += 'index.html';
  const override = given.get(path);
  const head = {
    'content-security-policy': POLICY,
    'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  };
  if (typeof override === 'function') return override(request, response);
  if (typeof override === 'number') return response.writeHead(override, head).end();
  if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405).end();
  try {
    const bytes = override ?? (await readFile(join(root, normalize(path))));
    response.writeHead(200, head).end(bytes);
  } catch {
    response.writeHead(404, head).end();
  }
}
