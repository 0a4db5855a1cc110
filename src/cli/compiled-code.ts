/**
 * Keeps the code that V8 has compiled of this command, so that the next start does not compile it again: a fifth of what
 * a start costs. Node does the work from 22.8 on; this decides where, which is a matter of trust: whoever can write there
 * can run what they like as this user. So it is in the data directory, if nobody but its owner can write to it, and nowhere else.
 *
 * What is kept is checked by Node (version, V8's flags, a hash of the source, a sum of its own) and compiled anew where
 * it does not fit. What other versions left is removed: one version's is there at a time, about 2 MB.
 */
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import * as nodeModule from 'node:module';
import * as path from 'node:path';
import type { SmallUntilBusy } from './small-until-busy.ts';

/** In the data directory. */
const folderName = 'compiled';
/** Node writes when a process ends. One that will be killed has by then written, when requests have compiled what they need. */
const writeAfterMs = 30_000;

/** What the types of the oldest Node that we run on do not have. */
interface CompileCache {
  readonly enableCompileCache?: (directory: string) => unknown;
  readonly flushCompileCache?: () => void;
}

/**
 * For the modules that are loaded from now on. Does nothing where Node cannot, or where the directory cannot be trusted or
 * written: whoever starts the node finds out why, or can do without.
 */
export function keepCompiledCode(dataDirectory: string, version: string, small: SmallUntilBusy): void {
  const { enableCompileCache, flushCompileCache } = nodeModule as CompileCache;
  if (enableCompileCache === undefined) return;
  const directory = trustedFolder(path.resolve(dataDirectory), `${version}-node-${process.versions.node}`);
  if (directory === undefined) return;
  enableCompileCache(directory);
  if (flushCompileCache === undefined) return;
  const later = setTimeout(flushCompileCache, writeAfterMs);
  later.unref();
  // Code is taken only under V8's flags under which it was kept, and a start loads it while it is small.
  small.before(() => {
    clearTimeout(later);
    flushCompileCache();
  });
}

/** Makes what is missing. Undefined: others may write there, or this process may not. */
export function trustedFolder(dataDirectory: string, name: string): string | undefined {
  try {
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
    const real = realpathSync(dataDirectory);
    const root = path.join(real, folderName);
    const directory = path.join(root, name);
    for (const each of [real, root, directory]) {
      mkdirSync(each, { recursive: true, mode: 0o700 });
      // A link within the data directory was not made by us.
      if (!isOnlyOurs(each)) return undefined;
    }
    for (const other of readdirSync(root)) {
      if (other !== name) rmSync(path.join(root, other), { recursive: true, force: true });
    }
    return directory;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

const writableByOthers = 0o022;

function isOnlyOurs(directory: string): boolean {
  const facts = lstatSync(directory);
  return facts.isDirectory() && facts.uid === process.getuid?.() && (facts.mode & writableByOthers) === 0;
}
