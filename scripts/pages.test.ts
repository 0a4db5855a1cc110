/** The pages for people name files, headings, scenarios and metrics: here they are held to that these are there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path/posix';
import { test } from 'node:test';
import { scenarios } from '../src/simulator/index.ts';
import { repositoryRoot, sourceFiles } from './source-files.ts';

const folders: readonly string[] = ['.', 'docs', 'docs/internals', 'bench'];
/** How a rule about names writes them. */
const examples: ReadonlySet<string> = new Set(['x.test.ts', 'x.fixture.ts']);

const read = (file: string): string => readFileSync(path.join(repositoryRoot, file), 'utf8');
const exists = (file: string): boolean => existsSync(path.join(repositoryRoot, file));

const pages = folders.flatMap((folder) =>
  readdirSync(path.join(repositoryRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name)),
);
const sources = sourceFiles(repositoryRoot);

function matches(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, found]) => found ?? '');
}

/** As the places where pages are read make them of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = matches(page, /^#+ (.*)$/gm);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks(file: string, text: string): readonly string[] {
  return matches(text, /\]\(([^)\s]+)\)/g).filter((link) => {
    if (link.includes('://')) return false;
    const [target = '', anchor] = link.split('#');
    const linked = target === '' ? file : path.join(path.dirname(file), target);
    return !exists(linked) || (anchor !== undefined && !anchorsOf(read(linked)).has(anchor));
  });
}

/** From the root, from `src/`, or only the last parts of its path. */
function isSource(name: string): boolean {
  return sources.some((source) => source === name || source.endsWith(`/${name}`));
}

test('what a page links to is there', () => {
  assert.ok(pages.length > 20, `${pages.length} pages`);
  for (const page of pages) assert.deepEqual(brokenLinks(page, read(page)), [], page);
});

test('a link that leads nowhere is found', () => {
  const text =
    '[a](none.md) [b](docs/operating.md#nowhere) [c](docs/operating.md#limits) [d](https://example.org)';
  assert.deepEqual(brokenLinks('README.md', text), ['none.md', 'docs/operating.md#nowhere']);
});

test('the source files and folders that a page names are there', () => {
  for (const page of pages) {
    const text = read(page);
    const files = matches(text, /`([\w][\w./-]*\.ts)`/g).filter((name) => !isSource(name));
    const named = matches(text, /`((?:src|test|bench|scripts|docs|examples)\/[\w./-]+)`/g);
    const missing = [...files, ...named.filter((name) => !name.endsWith('.ts') && !exists(name))];
    assert.deepEqual(
      missing.filter((name) => !examples.has(name)),
      [],
      page,
    );
  }
});

test('the scenarios of clusters that a page names are there', () => {
  const names = new Set(scenarios.map(({ name }) => name));
  const ofToday = pages.filter((name) => name !== 'CHANGELOG.md' && !name.startsWith('bench/'));
  for (const page of ofToday) {
    const named = matches(read(page), /`(cluster-[\w-]+)`/g);
    assert.deepEqual(
      named.filter((name) => !names.has(name)),
      [],
      page,
    );
  }
});

test('the metrics of a node are explained', () => {
  const explained = pages.map(read).join('\n');
  const server = sources.filter((file) => file.startsWith('src/server/') && !file.endsWith('.test.ts'));
  const metrics = new Set(server.flatMap((file) => matches(read(file), /'(hale_\w+)'/g)));
  assert.ok(metrics.size > 50, `${metrics.size} metrics`);
  assert.deepEqual(
    [...metrics].filter((name) => !explained.includes(name)),
    [],
  );
});
