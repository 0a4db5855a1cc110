/** docs/internals/acceptance.md says which test shows what; here it is held to that. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scenarios } from '../src/simulator/index.ts';
import { repositoryRoot } from './source-files.ts';

interface Row {
  readonly names: readonly string[];
  readonly files: readonly string[];
  readonly scenarios: readonly string[];
  /** Names of tests, or parts of them. */
  readonly quotes: readonly string[];
  readonly isOffered: boolean;
}

function rowsOf(page: string): readonly Row[] {
  const lines = page.split('\n').filter((line) => /^\| [A-Za-z]/.test(line) && !line.startsWith('| row'));
  return lines.map((line) => {
    const [, first, promise, shown] = line.split('|').map((cell) => cell.trim());
    const marked = matches(shown ?? '', /`([^`]+)`/g);
    return {
      names: (first ?? '').split(', '),
      files: marked.filter((word) => word.includes('/')),
      scenarios: marked.filter((word) => !word.includes('/')),
      quotes: matches(shown ?? '', /“([^”]+)”/g),
      isOffered: !(promise ?? '').startsWith('*Not offered:*'),
    };
  });
}

function matches(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, found]) => found ?? '');
}

function faultsOf(row: Row, read: (file: string) => string | undefined): readonly string[] {
  const faults: string[] = [];
  const texts: string[] = [];
  for (const file of row.files) {
    const text = read(file);
    if (text === undefined) faults.push(`${file} does not exist`);
    else texts.push(text);
  }
  const contain = (words: string) => texts.some((text) => text.includes(words));
  for (const quote of row.quotes) if (!contain(quote)) faults.push(`no file has a test “${quote}”`);
  for (const name of row.scenarios) {
    if (!scenarios.some((scenario) => scenario.name === name)) faults.push(`there is no scenario ${name}`);
  }
  if (row.isOffered && texts.length === 0) faults.push('nothing shows it');
  if (row.isOffered && row.quotes.length === 0) {
    for (const name of row.names) if (!contain(name)) faults.push(`no file names ${name}`);
  }
  return faults.map((fault) => `${row.names.join()}: ${fault}`);
}

test('what the page of acceptance says is so', () => {
  const page = readFileSync(path.join(repositoryRoot, 'docs/internals/acceptance.md'), 'utf8');
  const rows = rowsOf(page);
  assert.ok(rows.length > 80, `${rows.length} rows`);
  const read = (file: string): string | undefined => {
    const full = path.join(repositoryRoot, file);
    return existsSync(full) ? readFileSync(full, 'utf8') : undefined;
  };
  assert.deepEqual(
    rows.flatMap((row) => faultsOf(row, read)),
    [],
  );
});

test('a row that is not so is found', () => {
  const read = (file: string) => (file === 'src/a.test.ts' ? "test('R01: it holds')" : undefined);
  const faults = (line: string) => rowsOf(line).flatMap((row) => faultsOf(row, read));
  assert.deepEqual(faults('| R01 | a promise | `src/a.test.ts` |'), []);
  assert.deepEqual(faults('| R63 | *Not offered:* indexes. | |'), []);
  assert.match(faults('| R02 | a promise | `src/a.test.ts` |').join(), /no file names R02/);
  assert.match(faults('| R01 | a promise | `src/b.test.ts` |').join(), /src\/b.test.ts does not exist/);
  assert.match(faults('| R01 | a promise | `src/a.test.ts` “it fails” |').join(), /no file has a test/);
  assert.match(faults('| R01 | a promise | `src/a.test.ts` `no-such` |').join(), /there is no scenario/);
  assert.match(faults('| R01 | a promise | |').join(), /nothing shows it/);
});
