import { spanText } from './quantity-text.ts';
import { table } from './table.ts';

/** As the node sends it: a field's name ends in its unit, where it has one. */
export type StatusFields = Readonly<Record<string, unknown>>;

/** The status for people: units in the values instead of the names. */
export function statusTable(status: StatusFields): string {
  return table(Object.entries(status).map(([name, value]) => [label(name), cell(name, value)]));
}

function label(name: string): string {
  return name.replace(/_(?:seconds|bytes)$/, '').replaceAll('_', ' ');
}

function cell(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => cell('', item)).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([inner, part]) => `${label(inner)} ${cell(inner, part)}`)
      .join(', ');
  }
  if (typeof value === 'number' && name.endsWith('_seconds')) return spanText(value);
  if (typeof value === 'number' && name.endsWith('_bytes')) return `${(value / 2 ** 20).toFixed(1)} MB`;
  return String(value);
}
