/** The source files of the repository, as paths from its root with `/`, sorted. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

export const sourceFolders: readonly string[] = ['src', 'test', 'bench', 'scripts', 'examples'];

/** The repository's root: the folder above this script that holds package.json, wherever it was compiled to. */
export const repositoryRoot: string = rootAbove(import.meta.dirname);

function rootAbove(folder: string): string {
  if (existsSync(path.join(folder, 'package.json'))) return folder;
  const parent = path.dirname(folder);
  if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
  return rootAbove(parent);
}

export function sourceFiles(root: string, folders: readonly string[] = sourceFolders): readonly string[] {
  return folders.flatMap((folder) => filesUnder(root, folder)).sort();
}

/** A folder that is not there has no files: git keeps no empty ones. */
function filesUnder(root: string, folder: string): readonly string[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const entryPath = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(root, entryPath);
    return entry.name.endsWith('.ts') ? [entryPath] : [];
  });
}
