/** The bucket types that an application needs of the node in its process: made if they are missing, brought up to date if not. */
import { type BucketTypeProperties, HaleError } from '../../client/index.ts';
import {
  type BucketTypeRefusal,
  type BucketTypes,
  type JsonValue,
  KvFailure,
  parsePropertyChanges,
  propertiesToJson,
} from '../../kv/index.ts';
import { bytesOfText } from '../../stdx/index.ts';
import { haleErrorOf } from './embedded-error.ts';

/** Rejects with `HaleError`: `invalid_argument` names what cannot be. Types that are not named stay. */
export async function ensureBucketTypes(
  types: BucketTypes,
  wanted: Readonly<Record<string, BucketTypeProperties>>,
): Promise<void> {
  for (const [name, properties] of Object.entries(wanted)) await ensureBucketType(types, name, properties);
}

async function ensureBucketType(
  types: BucketTypes,
  text: string,
  wanted: BucketTypeProperties,
): Promise<void> {
  const name = bytesOfText(text);
  const json = { ...wanted } as { readonly [property: string]: JsonValue };
  const parsed = parsePropertyChanges(json);
  if ('problems' in parsed)
    throw refusedType(text, { reason: 'invalid_properties', problems: parsed.problems });
  const known = types.get(name);
  const steps =
    known?.status === 'active'
      ? [
          ...(isAsWanted(propertiesToJson(known.properties), json)
            ? []
            : [() => types.update(name, parsed.changes)]),
        ]
      : [() => types.create(name, parsed.changes), () => types.activate(name)];
  for (const step of steps) {
    const refusal = await step().catch((error: unknown) => {
      throw error instanceof KvFailure ? haleErrorOf(error.error, 'write') : error;
    });
    if (refusal !== undefined) throw refusedType(text, refusal);
  }
}

function isAsWanted(
  known: Readonly<Record<string, JsonValue>>,
  wanted: Readonly<Record<string, JsonValue>>,
): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => JSON.stringify(known[name]) === JSON.stringify(value),
  );
}

/** Of a type that is not there, or not active: `unknown_bucket_type`. */
export function refusedType(name: string, refusal: BucketTypeRefusal): HaleError {
  const why =
    refusal.reason === 'invalid_properties'
      ? refusal.problems.map(({ property, reason }) => `${property}: ${reason}`).join(', ')
      : refusal.reason;
  const isUnknown = refusal.reason === 'no_such_type' || refusal.reason === 'not_active';
  const code = isUnknown ? 'unknown_bucket_type' : 'invalid_argument';
  return new HaleError(code, `the bucket type "${name}" cannot be had so: ${why}`);
}
