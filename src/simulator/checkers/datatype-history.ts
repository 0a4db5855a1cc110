/**
 * What clients asked of data types and what they were told: the input of `datatypes-hold.ts`.
 *
 * A data type is flattened to places: an element of a set is the place of the set and its name (`left:set/e7`), a flag
 * the place of its field. Places are added and removed; counters have sums, registers assignments. Moments are whole
 * numbers, one for each event in the order of the run.
 */
import type { CrdtType, CrdtValue, FieldValue } from '../../crdt/index.ts';

export interface DatatypeUpdate {
  readonly key: string;
  readonly invokedAt: number;
  /** `unknown`: it may have happened, may happen later, or never. `refused`: it certainly has not. */
  outcome: 'acked' | 'refused' | 'unknown';
  /** When its client heard; of an unknown outcome, infinity. */
  endedAt: number;
  /** By the counter's place; `''`: the whole value. */
  readonly increments: ReadonlyMap<string, number>;
  readonly adds: readonly string[];
  /** Places, with all that is below those that end in `/`; `''`: everything. */
  readonly removes: readonly string[];
  /** What the client had read before a removal; absent: what the coordinator sees is removed. */
  readonly seen: DatatypeRead | undefined;
  /** A delete of the whole object, which reads for itself. */
  readonly isDelete: boolean;
  readonly assigns: ReadonlyMap<string, string>;
}

export interface DatatypeRead {
  readonly key: string;
  readonly endedAt: number;
  readonly shown: ShownPlaces;
}

export interface ShownPlaces {
  readonly places: ReadonlySet<string>;
  readonly sums: ReadonlyMap<string, bigint>;
  readonly registers: ReadonlyMap<string, string>;
  /** Of a sketch. */
  readonly estimate: number | undefined;
}

export class DatatypeKey {
  readonly key: string;
  readonly type: CrdtType;
  readonly updates: DatatypeUpdate[] = [];

  constructor(key: string, type: CrdtType) {
    this.key = key;
    this.type = type;
  }
}

export const nothingShown: ShownPlaces = {
  places: new Set(),
  sums: new Map(),
  registers: new Map(),
  estimate: undefined,
};

/** The value as places. */
export function placesOf(value: CrdtValue): ShownPlaces {
  const shown = {
    places: new Set<string>(),
    sums: new Map<string, bigint>(),
    registers: new Map<string, string>(),
    estimate: value.type === 'hll' ? value.value : undefined,
  };
  flatten(value, '', shown);
  return shown;
}

function flatten(
  value: CrdtValue | FieldValue,
  at: string,
  into: { places: Set<string>; sums: Map<string, bigint>; registers: Map<string, string> },
): void {
  switch (value.type) {
    case 'hll':
      return;
    case 'counter':
      into.sums.set(at, value.value);
      return;
    case 'flag':
      if (value.value) into.places.add(at);
      return;
    case 'register':
      if (value.value !== undefined) into.registers.set(at, value.value);
      return;
    case 'gset':
    case 'set':
      for (const element of value.value) into.places.add(at + element);
      return;
    case 'map':
      for (const { field, value: below } of value.value) {
        flatten(below, `${at}${field.name}:${field.type}/`, into);
      }
  }
}
