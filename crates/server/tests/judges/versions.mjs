// Says which versions of the named judges are installed.
import * as fs from 'node:fs';

for (const name of process.argv.slice(2)) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  console.log(name, JSON.parse(fs.readFileSync(file, 'utf8')).version);
}
