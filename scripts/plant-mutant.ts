import type { Mutant } from './mutant-table.ts';

/** The source with the fault in it. Throws if the place is not there, or not the only one of its kind. */
export function mutated(source: string, { name, file, from, to }: Mutant): string {
  const parts = source.split(from);
  if (parts.length !== 2) {
    throw new Error(`the mutant ${name} is out of date: its place is ${parts.length - 1} times in ${file}`);
  }
  return parts.join(to);
}
