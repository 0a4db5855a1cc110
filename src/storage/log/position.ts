/** A place in the log. Segments are numbered in the order in which they were begun, so places have an order. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

export const LOG_START: Position = { segment: 0, offset: 0 };

export function isBefore(a: Position, b: Position): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);
}

export type EntryKind = 'delete' | 'put' | 'lost';

/** What the index knows of a key: where its newest record begins. `lost`: its value has rotted. */
export interface Location extends Position {
  readonly kind: EntryKind;
  /** Of the value. */
  readonly length: number;
}

const ENTRY_KINDS: readonly EntryKind[] = ['delete', 'put', 'lost'];

export function codeOfKind(kind: EntryKind): number {
  return kind === 'put' ? 1 : kind === 'delete' ? 0 : 2;
}

export function kindOfCode(code: number): EntryKind | undefined {
  return ENTRY_KINDS[code];
}
