/** `RESULTS.md`: a section for each question, which a new measurement replaces, and its picture beside it. */
import { readFileSync, writeFileSync } from 'node:fs';

const results = 'bench/RESULTS.md';
const graphs = 'graphs';

export interface Measured {
  readonly table: string;
  readonly svg?: string | undefined;
}

/** `heading` is what the numbers belong to. */
export function writeResult(name: string, heading: string, { table, svg }: Measured): void {
  const picture = svg === undefined ? '' : `\n\n![${name}](${graphs}/${name}.svg)`;
  if (svg !== undefined) writeFileSync(`bench/${graphs}/${name}.svg`, svg);
  const before = readFileSync(results, 'utf8');
  writeFileSync(results, withSection(before, name, `## ${name}\n\n${heading}\n\n${table}${picture}\n`));
}

export function withSection(document: string, name: string, section: string): string {
  const sections = document.split(/^(?=## )/m);
  const at = sections.findIndex((before) => before.startsWith(`## ${name}\n`));
  if (at < 0) sections.push(section);
  else sections[at] = section;
  return sections.map((each) => `${each.trimEnd()}\n`).join('\n');
}
