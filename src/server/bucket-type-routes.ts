/** `/admin/v1/bucket-types…`: bucket types are made and activated by whoever administers a node, never by clients. */
import type { Buffer } from 'node:buffer';
import {
  type BucketDrops,
  type BucketPropertyChanges,
  type BucketType,
  type BucketTypeRefusal,
  type BucketTypes,
  countOfKeys,
  type Dropped,
  dropBucketType,
  estimateOfKeys,
  type IndexQuerying,
  type JsonValue,
  type KeyValueStore,
  KvFailure,
  parsePropertyChanges,
  propertiesToJson,
} from '../kv/index.ts';
import { type ByteString, bytesOfText, jsonNestingOf, textOfBytes, unreachable } from '../stdx/index.ts';
import { AdminFailure, badRequest } from './cluster-admin/admin-failure.ts';
import type { ClusterRoute } from './cluster-admin/cluster-routes.ts';

export interface BucketTypeView {
  readonly name: string;
  readonly status: 'created' | 'active';
  readonly damaged: boolean;
  readonly props: Readonly<Record<string, JsonValue>>;
}

/** Without a bucket: a type with all its buckets. */
export interface DropView {
  readonly type: string;
  readonly bucket?: string;
}

type Outcome = Promise<BucketTypeRefusal | undefined>;

/** By path below `/admin/v1/`. Answers are JSON; they throw, or reject with, `AdminFailure`. */
export function bucketTypeRoutes(
  store: KeyValueStore & {
    readonly bucketTypes: BucketTypes;
    readonly drops: BucketDrops;
    readonly indexes: IndexQuerying;
  },
): ReadonlyMap<string, ClusterRoute> {
  const types = store.bucketTypes;
  const changing = (carryOut: (body: TypeBody) => Outcome): ClusterRoute => ({
    method: 'POST',
    answer: async (bytes) => {
      const body = typeBodyIn(bytes);
      const refusal = await orAdminFailure(carryOut(body));
      if (refusal !== undefined) throw failureOf(body.text, refusal);
      return { name: body.text };
    },
  });
  return new Map<string, ClusterRoute>([
    ['bucket-types', { method: 'GET', answer: () => ({ types: types.list().map(viewOf) }) }],
    ['bucket-types/status', { method: 'GET', answer: (query) => statusOf(types, query.get('name') ?? '') }],
    ['bucket-types/create', changing(({ name, changes }) => types.create(name, changes))],
    ['bucket-types/update', changing(({ name, changes }) => types.update(name, changes))],
    ['bucket-types/activate', changing(({ name }) => types.activate(name))],
    [
      'bucket-types/drop',
      changing(({ name, withObjects }) =>
        withObjects ? store.drops.dropType(name) : dropBucketType(store, types, name),
      ),
    ],
    ['buckets/drop', { method: 'POST', answer: (bytes) => dropBucket(store.drops, bytes) }],
    ['buckets/count', { method: 'GET', answer: (query) => countIn(store.indexes, query) }],
    ['drops', { method: 'GET', answer: () => ({ drops: store.drops.inProgress.map(dropView) }) }],
  ]);
}

/** Keys of live objects. */
async function countIn(
  indexes: IndexQuerying,
  query: URLSearchParams,
): Promise<{ readonly count: number; readonly standardError?: number }> {
  const bucketType = bytesOfText(query.get('type') ?? 'default');
  const bucket = bytesOfText(query.get('bucket') ?? '');
  if (bucket.length === 0) throw badRequest('bucket is missing');
  try {
    if (query.get('about') === 'true') return await estimateOfKeys(indexes, { bucketType, bucket });
    return { count: await countOfKeys(indexes, { bucketType, bucket }) };
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    if (error.error.code === 'unknown_bucket_type') {
      throw new AdminFailure(409, 'no_such_type', `${textOfBytes(bucketType)} is not an active bucket type`);
    }
    throw new AdminFailure(503, error.error.code, `it could not be counted: ${error.error.code}`);
  }
}

function statusOf(types: BucketTypes, name: string): BucketTypeView {
  const type = types.get(bytesOfText(name));
  if (type === undefined) throw failureOf(name, { reason: 'no_such_type' });
  return viewOf(type);
}

function viewOf({ name, status, properties, isDamaged }: BucketType): BucketTypeView {
  return {
    name: textOfBytes(name),
    status,
    damaged: isDamaged,
    props: propertiesToJson(properties),
  };
}

/** Deeper values would be stored and could then not be printed. */
const nestingMax = 64;

/** `{"bucket": …}`, with `"type"` unless it is of none. */
async function dropBucket(drops: BucketDrops, bytes: Buffer): Promise<DropView> {
  const { bucket, type = 'default', ...rest } = objectIn(bytes);
  refuseOthers(rest);
  if (typeof bucket !== 'string' || typeof type !== 'string') {
    throw badRequest('bucket and type must be names');
  }
  const address = { bucketType: bytesOfText(type), bucket: bytesOfText(bucket) };
  await orAdminFailure(drops.dropBucket(address).then(() => undefined));
  return dropView(address);
}

function dropView({ bucketType, bucket }: Dropped): DropView {
  const type = textOfBytes(bucketType);
  return bucket === undefined ? { type } : { type, bucket: textOfBytes(bucket) };
}

interface TypeBody {
  readonly name: ByteString;
  /** The name, for people. */
  readonly text: string;
  readonly changes: BucketPropertyChanges;
  /** Of a drop. */
  readonly withObjects: boolean;
}

/** `{"name": …}`, with `"props"` or `"with_objects"` where they are meant. Throws `AdminFailure`. */
function typeBodyIn(bytes: Buffer): TypeBody {
  const { name: text, props = {}, with_objects: withObjects = false, ...rest } = objectIn(bytes);
  refuseOthers(rest);
  if (typeof withObjects !== 'boolean') throw badRequest('with_objects must be true or false');
  if (typeof text !== 'string') throw badRequest('name must be the name of a bucket type');
  if (!isObject(props)) throw badRequest('props must be a JSON object of bucket properties');
  const parsed = parsePropertyChanges(props);
  if ('problems' in parsed) {
    throw failureOf(text, { reason: 'invalid_properties', problems: parsed.problems });
  }
  return { name: bytesOfText(text), text, changes: parsed.changes, withObjects };
}

/** Throws `AdminFailure`. */
function objectIn(bytes: Buffer): { readonly [name: string]: JsonValue } {
  const json = bytes.toString('utf8');
  if (jsonNestingOf(json) > nestingMax) throw badRequest(`the body is nested deeper than ${nestingMax}`);
  let body: JsonValue;
  try {
    body = JSON.parse(json) as JsonValue;
  } catch {
    throw badRequest('the body is not JSON');
  }
  if (!isObject(body)) throw badRequest('the body is not a JSON object');
  return body;
}

function refuseOthers(rest: { readonly [name: string]: JsonValue }): void {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw badRequest(`the body has an unknown field ${JSON.stringify(unknown)}`);
}

function isObject(value: JsonValue): value is { readonly [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function orAdminFailure(outcome: Outcome): Outcome {
  try {
    return await outcome;
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    const { error: cause } = error;
    if (cause.code === 'invalid_properties') {
      throw new AdminFailure(400, cause.code, 'the properties are not valid', reasonsOf(cause.problems));
    }
    // As the cluster's own refusals say it: it may still happen.
    if (cause.code === 'unknown_bucket_type') {
      throw new AdminFailure(409, 'no_such_type', `${cause.bucketType} is not an active bucket type`);
    }
    if (cause.code === 'bad_name') throw badRequest(`the ${cause.what} is ${cause.reason}`);
    if (cause.code === 'no_majority') throw new AdminFailure(503, 'unavailable', cause.reason);
    const reason = 'reason' in cause && typeof cause.reason === 'string' ? `: ${cause.reason}` : '';
    throw new AdminFailure(503, cause.code, `not now, or not surely${reason}`);
  }
}

function reasonsOf(problems: readonly { readonly property: string; readonly reason: string }[]) {
  return problems.map(({ property, reason }) => `${property}: ${reason}`);
}

/** Texts are those of Riak's tool where it has them. */
function failureOf(name: string, refusal: BucketTypeRefusal): AdminFailure {
  const { reason } = refusal;
  switch (reason) {
    case 'invalid_properties':
      return new AdminFailure(400, reason, `invalid properties for ${name}`, reasonsOf(refusal.problems));
    case 'no_such_type':
      return new AdminFailure(409, reason, `${name} is not an existing bucket type`);
    case 'already_active':
      return new AdminFailure(409, reason, `${name} is active: update it instead`);
    case 'not_active':
      return new AdminFailure(409, reason, `${name} is not active: create it anew instead`);
    case 'reserved_name':
      return new AdminFailure(400, reason, `${name} is no bucket type of yours`);
    case 'bad_name':
      return new AdminFailure(400, reason, 'the name of a bucket type has 1 to 255 bytes, none of them zero');
    case 'too_many_types':
      return new AdminFailure(409, reason, 'there are as many bucket types as there may be');
    case 'being_dropped':
      return new AdminFailure(409, reason, `${name} is being dropped: wait until it is gone`);
    case 'not_empty':
      return new AdminFailure(409, reason, `${name} still has buckets with keys: delete them first`);
    default:
      return unreachable(reason);
  }
}
