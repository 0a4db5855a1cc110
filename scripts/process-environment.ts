/**
 * The environment for processes that a script starts. The package that carries the newest Node also links
 * `node_modules/.bin/node`, which npm puts first in PATH: without this, a test on Node 20 that starts
 * `node` or a file with a shebang would get the other one.
 */
import path from 'node:path';

export function processEnvironment(): NodeJS.ProcessEnv {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const others = folders.filter((folder) => !folder.endsWith(path.join('node_modules', '.bin')));
  const own = path.dirname(process.execPath);
  return { ...process.env, PATH: [own, ...others].join(path.delimiter) };
}
