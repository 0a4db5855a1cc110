/** A line chart as an SVG of its own: one picture for each question. */

export interface Line {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
  /** Values of y are shown by their logarithm, for what spans magnitudes. */
  readonly isLogarithmic?: boolean;
}

const width = 720;
const height = 360;
const left = 70;
const right = 150;
const top = 36;
const bottom = 44;
const steps = 5;
const colours = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf'];

export function svgOf({ title, xLabel, yLabel, lines, isLogarithmic = false }: Chart): string {
  const all = lines.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const xMin = Math.min(...xs);
  const xMax = Math.max(...xs, xMin + 1e-9);
  const yMin = isLogarithmic ? Math.min(...ys.filter((y) => y > 0)) : 0;
  const yMax = Math.max(...ys, yMin + 1e-9);
  const scaled = (y: number): number =>
    isLogarithmic
      ? Math.log(Math.max(y, yMin) / yMin) / Math.log(yMax / yMin || Math.E)
      : (y - yMin) / (yMax - yMin);
  const xAt = (x: number): number => left + ((x - xMin) / (xMax - xMin)) * (width - left - right);
  const yAt = (y: number): number => height - bottom - scaled(y) * (height - top - bottom);
  const ticks = Array.from({ length: steps + 1 }, (_, step) => step / steps);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(left, 20, title, 'start', 14),
    text((left + width - right) / 2, height - 8, xLabel),
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
  ];
  for (const share of ticks) {
    const y = isLogarithmic ? yMin * (yMax / yMin) ** share : yMin + share * (yMax - yMin);
    const x = xMin + share * (xMax - xMin);
    parts.push(
      `<line x1="${left}" x2="${width - right}" y1="${yAt(y)}" y2="${yAt(y)}" stroke="#ddd"/>`,
      text(left - 6, yAt(y) + 4, shortNumber(y), 'end'),
      text(xAt(x), height - bottom + 16, shortNumber(x)),
    );
  }
  lines.forEach(({ label, points }, index) => {
    const colour = colours[index % colours.length]!;
    const path = points.map(([x, y]) => `${xAt(x).toFixed(1)},${yAt(y).toFixed(1)}`).join(' ');
    parts.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${path}"/>`,
      `<rect x="${width - right + 10}" y="${top + index * 18}" width="12" height="3" fill="${colour}"/>`,
      text(width - right + 28, top + 6 + index * 18, label, 'start'),
    );
  });
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

function text(x: number, y: number, words: string, anchor = 'middle', size = 12): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function shortNumber(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}k`;
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}
