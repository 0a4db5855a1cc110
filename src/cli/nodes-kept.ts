/** How many nodes of one host have their data in a directory: the first in itself, the others in `nodes/2`, `nodes/3`, … */
import { existsSync, readdirSync } from 'node:fs';
import * as path from 'node:path';

/** Where a host keeps its nodes but the first. */
export function nodesDirectory(root: string): string {
  return path.join(root, 'nodes');
}

/** At least 1. The highest number counts: fewer nodes would leave a gap. */
export function nodesKept(root: string): number {
  const directory = nodesDirectory(root);
  const numbers = existsSync(directory) ? readdirSync(directory).filter((name) => /^\d+$/.test(name)) : [];
  return Math.max(1, ...numbers.map(Number));
}
