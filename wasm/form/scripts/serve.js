// Serves the built form: node scripts/serve.js --bundle FILE.fsb --key KEY.txt [--port N]
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serve } from './server.js';

const { values } = parseArgs({
  options: {
    bundle: { type: 'string' },
    key: { type: 'string' },
    recipient: { type: 'string' },
    port: { type: 'string', default: '8417' },
  },
});
if (!values.bundle || !values.key) {
  console.error('error: expected --bundle FILE.fsb and --key FILE with a public key in hexadecimal');
  process.exit(2);
}
const [bundle, key] = await Promise.all([readFile(values.bundle), readFile(values.key, 'utf8')]).catch((error) => {
  console.error(`error: ${error.path}: ${error.code}`);
  process.exit(2);
});
const config = { bundle: 'bundle.fsb', keys: key.trim(), ...(values.recipient && { recipient: values.recipient }) };
const given = new Map([
  ['/bundle.fsb', bundle],
  ['/config.json', JSON.stringify(config)],
]);
const root = fileURLToPath(new URL('../dist/app', import.meta.url));
const server = await serve(root, given, Number(values.port)).catch((error) => {
  console.error(`error: port ${values.port}: ${error.code}\nhint: choose another one with --port`);
  process.exit(1);
});
const address = `http://127.0.0.1:${server.address().port}`;
console.error(`staff       ${address}/index.html\napplicants  ${address}/apply.html\nkiosk       ${address}/kiosk.html\nstop with Ctrl-C`);
