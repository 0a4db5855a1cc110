/**
 * Checks the walls between the modules: `npm run check:layers`. Prints `file:line: reason` for each
 * violation and exits 1 if there is one.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Violation, violationsOf } from './layer-rules.ts';
import { modules } from './layer-table.ts';
import { SourceError, sourceFacts } from './source-facts.ts';
import { repositoryRoot, sourceFiles } from './source-files.ts';

/** Fewer means that the check looked in the wrong place. */
const filesMin = 20;

function violationsIn(file: string): readonly Violation[] {
  try {
    return violationsOf(file, sourceFacts(file, readFileSync(path.join(repositoryRoot, file), 'utf8')));
  } catch (error) {
    if (error instanceof SourceError) return [{ line: error.line, message: error.message }];
    throw error;
  }
}

const files = sourceFiles(repositoryRoot);
const lines = files.flatMap((file) =>
  violationsIn(file).map(({ line, message }) => `${file}:${line}: ${message}`),
);
for (const line of lines) console.error(line);
if (files.length < filesMin) {
  console.error(`only ${files.length} source files under ${repositoryRoot}: is this the repository?`);
}
console.log(`layers: ${files.length} files, ${modules.size} modules, ${lines.length} violations`);
process.exitCode = lines.length > 0 || files.length < filesMin ? 1 : 0;
