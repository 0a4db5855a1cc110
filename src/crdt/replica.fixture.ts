/** A vnode with one data type, for tests that tell a story. */
import { Buffer } from 'node:buffer';
import { type ActorId, actorId } from '../clocks/index.ts';
import { type ByteString, byteLiteral, byteStringOf } from '../stdx/index.ts';
import {
  type CausalContext,
  type Crdt,
  type CrdtOperation,
  contextOfCrdt,
  decodeCrdt,
  emptyCrdt,
  encodeCrdt,
  type FieldOperation,
  type FieldValue,
  joinCrdts,
  type MapField,
  type MapFieldType,
  type Refusal,
  updateCrdt,
  valueOfCrdt,
} from './index.ts';

export function actorOf(n: number): ActorId {
  return actorId(byteStringOf(Buffer.from([0xff, 0, 0, 0, 0, 0, 0, n])), 1);
}

export class Replica {
  crdt: Crdt;
  /** Of the updates so far, in order. */
  readonly deltas: Crdt[] = [];
  readonly #actor: ActorId;
  #issued = 0;

  constructor(type: Crdt['type'], n: number) {
    this.crdt = emptyCrdt(type);
    this.#actor = actorOf(n);
  }

  /** Undefined if it was done. */
  update(operation: CrdtOperation, context?: CausalContext, micros = 1): Refusal | undefined {
    this.#issued += 1;
    const dot = { actor: this.#actor, counter: this.#issued };
    const result = updateCrdt(this.crdt, { operation, dot, micros, context });
    if (result.kind === 'refused') return result.refusal;
    this.crdt = decodeCrdt(encodeCrdt(result.state));
    this.deltas.push(decodeCrdt(encodeCrdt(result.delta)));
    return undefined;
  }

  receive(...sent: readonly (Replica | Crdt)[]): this {
    for (const one of sent) this.crdt = joinCrdts(this.crdt, one instanceof Replica ? one.crdt : one);
    return this;
  }

  get context(): CausalContext | undefined {
    return contextOfCrdt(this.crdt);
  }

  /** Sets as sorted lists, maps as lists of `name_type` and value. */
  get value(): unknown {
    const { type, value } = valueOfCrdt(this.crdt);
    return type === 'map' ? plain({ type, value }) : value;
  }
}

function plain(field: FieldValue): unknown {
  if (field.type !== 'map') return field.value;
  return field.value.map(({ field: { name, type }, value }) => [`${name}_${type}`, plain(value)]);
}

const bytes = (names: readonly string[]): ByteString[] => names.map(byteLiteral);

export function add(...elements: readonly string[]): FieldOperation & { kind: 'set' } {
  return { kind: 'set', steps: [{ kind: 'add', elements: bytes(elements) }] };
}

export function remove(...elements: readonly string[]): FieldOperation & { kind: 'set' } {
  return { kind: 'set', steps: [{ kind: 'remove', elements: bytes(elements) }] };
}

export function increment(amount: number | bigint): FieldOperation & { kind: 'counter' } {
  return { kind: 'counter', increment: BigInt(amount) };
}

export function assign(value: string): FieldOperation {
  return { kind: 'register', value: byteLiteral(value) };
}

export function enable(on: boolean): FieldOperation {
  return { kind: 'flag', enable: on };
}

/** `'tags_set'`. */
export function field(name: string): MapField {
  const at = name.lastIndexOf('_');
  return { name: byteLiteral(name.slice(0, at)), type: name.slice(at + 1) as MapFieldType };
}

/** `change(['old_set'], { tags_set: add('x') })`: removes, then updates. */
export function change(
  removes: readonly string[],
  updates: Readonly<Record<string, FieldOperation>> = {},
): FieldOperation & { kind: 'map' } {
  return {
    kind: 'map',
    removes: removes.map(field),
    updates: Object.entries(updates).map(([name, operation]) => ({ field: field(name), operation })),
  };
}
