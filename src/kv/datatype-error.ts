/** Why a data type was not updated, as an error of the database. */
import type { Refusal } from '../crdt/index.ts';
import type { DatatypeUpdateResult } from './datatype/index.ts';
import type { KvError } from './kv-error.ts';

export function datatypeErrorOf(result: Exclude<DatatypeUpdateResult, { kind: 'updated' }>): KvError {
  if (result.kind === 'refused') return errorOfRefusal(result.refusal);
  return { code: 'storage', reason: 'the vnode has no name left for an update of this key' };
}

export function errorOfRefusal(refusal: Refusal): KvError {
  switch (refusal.kind) {
    case 'element_not_present':
      return { code: 'not_present', name: refusal.element, what: 'element' };
    case 'field_not_present':
      return { code: 'not_present', name: refusal.field.name, what: refusal.field.type };
    case 'type_mismatch':
      return { code: 'type_mismatch', expected: refusal.expected, actual: refusal.actual };
    case 'nested_too_deep':
      return { code: 'nested_too_deep', nestingMax: refusal.nestingMax };
    case 'increment_out_of_range':
      return { code: 'increment_out_of_range', increment: String(refusal.increment) };
  }
}
