/** A column of a table as bars: the picture of a question whose answer is a number for each row. */

/** Which columns of the first table in the text: those that name a row, and the one that is drawn. */
export interface Bars {
  readonly names: readonly string[];
  readonly value: string;
}

interface Bar {
  readonly label: string;
  readonly value: number;
}

const width = 720;
const labelWidth = 330;
const numberWidth = 70;
const rowHeight = 18;
const top = 34;
const characterWidth = 6.4;

/** `undefined`: there is no such table, or no number in it. */
export function barChartOf(title: string, markdown: string, bars: Bars): string | undefined {
  const rows = barsOf(markdown, bars);
  if (rows.length === 0) return undefined;
  const most = Math.max(...rows.map(({ value }) => value), 1e-9);
  const height = top + rows.length * rowHeight + 10;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="10" y="20" font-size="14">${escaped(`${title}: ${bars.value}`)}</text>`,
  ];
  rows.forEach(({ label, value }, index) => {
    const y = top + index * rowHeight;
    const length = Math.max(0, (value / most) * (width - labelWidth - numberWidth));
    parts.push(
      `<text x="${labelWidth - 6}" y="${y + 13}" text-anchor="end">${escaped(shortened(label))}</text>`,
      `<rect x="${labelWidth}" y="${y + 3}" width="${length.toFixed(1)}" height="12" fill="#1f77b4"/>`,
      `<text x="${(labelWidth + length + 5).toFixed(1)}" y="${y + 13}">${value}</text>`,
    );
  });
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

function barsOf(markdown: string, { names, value }: Bars): readonly Bar[] {
  const lines = markdown.split('\n').filter((line) => line.startsWith('|'));
  const head = cellsOf(lines[0] ?? '');
  const valueAt = head.indexOf(value);
  const namesAt = names.map((name) => head.indexOf(name));
  if (valueAt < 0 || namesAt.includes(-1)) return [];
  return lines.slice(2).flatMap((line) => {
    const cells = cellsOf(line);
    const number = Number.parseFloat((cells[valueAt] ?? '').replaceAll(',', ''));
    if (Number.isNaN(number)) return [];
    return [{ label: namesAt.map((at) => cells[at]).join(', '), value: number }];
  });
}

function cellsOf(line: string): readonly string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function shortened(label: string): string {
  const most = Math.floor((labelWidth - 10) / characterWidth);
  return label.length <= most ? label : `${label.slice(0, most - 1)}…`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
