/** Values of data types as messages. */
import type { CrdtValue, DatatypeMapEntry } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import {
  type dtUpdateResp,
  type dtValue,
  type Encodable,
  type MessageOf,
  mapFieldType,
} from '../../wire/index.ts';

type Value = Encodable<MessageOf<typeof dtValue>>;
type UpdateReply = Encodable<MessageOf<typeof dtUpdateResp>>;
type Entry = NonNullable<Value['map_value']>[number];

const counterMax = 2n ** 63n - 1n;
const counterMin = -(2n ** 63n);

export function dtValueOf(value: CrdtValue): Value {
  switch (value.type) {
    case 'counter':
      return { counter_value: onTheWire(value.value) };
    case 'set':
      return { set_value: value.value };
    case 'gset':
      return { gset_value: value.value };
    case 'hll':
      return { hll_value: BigInt(value.value) };
    case 'map':
      return { map_value: value.value.map(entryOf) };
    default:
      return unreachable(value);
  }
}

/** The reply to an update has the same members, under the same names. */
export function updateReplyOf(value: CrdtValue): UpdateReply {
  return dtValueOf(value);
}

/** A counter is unbounded, its place on the wire is not: what does not fit shows as the nearest number that does. */
export function onTheWire(counter: bigint): bigint {
  return counter > counterMax ? counterMax : counter < counterMin ? counterMin : counter;
}

function entryOf({ field, value }: DatatypeMapEntry): Entry {
  const named = { field: { name: field.name, type: mapFieldType[field.type] } };
  switch (value.type) {
    case 'counter':
      return { ...named, counter_value: onTheWire(value.value) };
    case 'set':
      return { ...named, set_value: value.value };
    case 'register':
      return { ...named, register_value: value.value };
    case 'flag':
      return { ...named, flag_value: value.value };
    case 'map':
      return { ...named, map_value: value.value.map(entryOf) };
    default:
      return unreachable(value);
  }
}
