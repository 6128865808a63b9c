// Builds the pages and the element into `dist/`: node scripts/build.js
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execFileSync } from 'node:child_process';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist/app');
process.chdir(root);

await build({ configFile: join(root, 'vite.config.ts'), logLevel: 'warn' });
await serviceWorker();
// The element for bundlers: the same sources, compiled, with what they import left to the bundler.
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.element.json'], { stdio: 'inherit' });
console.error('built: dist/app, dist/element');

/** Fills in the files that are kept and a version that changes with them. */
async function serviceWorker() {
  const files = [];
  const hash = createHash('sha256');
  for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(out, path).split(sep).join('/');
    // The modules as JavaScript are for hosts where files cannot be had; a page that is kept has them.
    if (name === 'sw.js' || /inline-(agent-)?(simd128|scalar)/.test(name)) continue;
    files.push(name);
  }
  files.sort();
  for (const name of files) hash.update(name).update(await readFile(join(out, name)));
  const worker = await readFile(join(root, 'app/sw.js'), 'utf8');
  hash.update(worker);
  const filled = worker
    .replace('__VERSION__', hash.digest('hex').slice(0, 16))
    .replace('__FILES__', JSON.stringify(files, null, 2));
  await writeFile(join(out, 'sw.js'), filled);
}
