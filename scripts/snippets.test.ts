/** The TypeScript that the pages show: it must compile against the package's types. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from './source-files.ts';

/** What snippets take from their reader's program. */
const given = `
import type { Bucket, FeedCursor } from 'hale';
declare global {
  interface User { name: string; age: number }
  interface Person { name: string; city: string; age: number }
  interface Order { cents: number; customer: string }
  const db: import('hale').Database;
  const z: typeof import('zod').z;
  const createReadStream: typeof import('node:fs').createReadStream;
  const open: typeof import('hale').open;
  const isHaleError: typeof import('hale').isHaleError;
  const integer: typeof import('hale').integer;
  const users: Bucket<User>;
  const sessions: Bucket<object>;
  const orders: Bucket<Order>;
  const notes: Bucket<{ text: string }>;
  const session: object;
  const value: User;
  const signal: AbortSignal;
  const response: import('node:http').ServerResponse;
  function send(piece: Uint8Array): Promise<void>;
  function lastCursor(): Promise<FeedCursor | 'start'>;
  function storeCursor(cursor: FeedCursor): Promise<void>;
  function handle(key: string, value: Order | undefined): Promise<void>;
  function forget(key: string): Promise<void>;
  function lookAtEverything(): Promise<void>;
}
`;

const settings = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '../..',
    noEmit: true,
    incremental: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  },
  include: ['*.ts', '../../src/**/*.d.ts'],
  exclude: [],
};

function snippetsOf(page: string): readonly string[] {
  const text = readFileSync(path.join(repositoryRoot, page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
}

/** One module of a page: each snippet sees the names of those above it, and may take them anew. */
function moduleOf(snippets: readonly string[]): string {
  const imports = new Set<string>();
  const bodies = snippets.map((code) =>
    code.replace(/^import .*;$/gm, (line) => {
      imports.add(line);
      return '';
    }),
  );
  return `${[...imports].join('\n')}\nexport {};\n${bodies.map((body) => `{\n${body}`).join('')}${'}'.repeat(bodies.length)}\n`;
}

/** What the compiler says of them; empty: nothing. */
function complaints(modules: ReadonlyMap<string, string>): string {
  mkdirSync(path.join(repositoryRoot, 'build'), { recursive: true });
  const folder = mkdtempSync(path.join(repositoryRoot, 'build', 'snippets-'));
  try {
    writeFileSync(path.join(folder, 'given.ts'), given);
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(settings));
    for (const [name, code] of modules) writeFileSync(path.join(folder, `${name}.ts`), code);
    const tsc = path.join(repositoryRoot, 'node_modules', '.bin', 'tsc');
    const { error, stdout } = spawnSync(tsc, ['-p', folder], { encoding: 'utf8' });
    if (error !== undefined) throw error;
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the snippets of the pages compile, and what is wrong in one is found', () => {
  const pages = [
    'README.md',
    ...readdirSync(path.join(repositoryRoot, 'docs')).map((name) => `docs/${name}`),
  ];
  const modules = new Map<string, string>();
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const snippets = snippetsOf(page);
    if (snippets.length > 0) modules.set(path.basename(page, '.md'), moduleOf(snippets));
  }
  assert.ok(modules.size >= 4, `${modules.size} pages`);
  modules.set('wrong', moduleOf([`await db.bucket('b').putt('k', 1);\n`]));
  const said = complaints(modules)
    .split('\n')
    .filter((line) => line !== '');
  assert.match(said.find((line) => line.includes('wrong.ts')) ?? '', /putt/);
  assert.deepEqual(
    said.filter((line) => !line.includes('wrong.ts')),
    [],
  );
});
