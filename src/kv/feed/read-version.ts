/** What a feed hands out of a key: what all replicas together have, or if some fail, those that can be reached. */
import type { VersionVector } from '../../clocks/index.ts';
import type { Replica } from '../../core/ring/index.ts';
import { type ByteString, byteStringOf } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { type CoordinatorParts, coordinateGet, type ReadOutcome } from '../coordinator/index.ts';
import type { GetRequest, ObjectAddress } from '../key-value-store.ts';
import { mergeObjects, type VersionedObject, versionDigest } from '../object/index.ts';
import { quorumAll } from '../quorum-value.ts';
import { shownObject } from '../visible-object.ts';
import { ObjectKey } from '../vnode/index.ts';

export type ReadVersion =
  | {
      readonly kind: 'read';
      /** As the bucket shows it. */
      readonly object: VersionedObject | undefined;
      /** Of what is stored; undefined: nothing is. */
      readonly clock: VersionVector | undefined;
      readonly digest: ByteString;
    }
  | { readonly kind: 'failed' };

/** For each of the reads. */
const readTimeoutMs = 5000;
const nothing = '' as ByteString;

/**
 * `teller`: the replica that tells of the change. Where not all primaries answer, what others have instead of them, which
 * may be nothing, is merged with the teller's own copy: nothing older is made of the change, nor a deletion.
 */
export async function readVersion(
  coordinator: CoordinatorParts,
  address: ObjectAddress,
  properties: BucketProperties,
  teller: Replica,
): Promise<ReadVersion> {
  const read = (options: Pick<GetRequest, 'r' | 'sloppyQuorum'>): Promise<ReadOutcome> =>
    new Promise((resolve) => {
      coordinateGet(coordinator, { ...address, ...options, timeoutMs: readTimeoutMs }, properties, resolve);
    });
  const all = await read({ r: quorumAll, sloppyQuorum: false });
  if (all.kind === 'read') return versionOf(coordinator, all.object, properties);
  const [own, some] = await Promise.all([copyOf(coordinator, address, teller), read({})]);
  if (own === 'failed') return { kind: 'failed' };
  const others = some.kind === 'read' ? some.object : undefined;
  const object = own === undefined || others === undefined ? (own ?? others) : mergeObjects(own, others);
  return versionOf(coordinator, object, properties);
}

function versionOf(
  { clock }: CoordinatorParts,
  object: VersionedObject | undefined,
  properties: BucketProperties,
): ReadVersion {
  if (object === undefined) return { kind: 'read', object, clock: undefined, digest: nothing };
  return {
    kind: 'read',
    object: shownObject(object, properties, object.mayExpire ? clock.wallMicros() : 0),
    clock: object.clock,
    digest: byteStringOf(versionDigest(object)),
  };
}

function copyOf(
  { replicas }: CoordinatorParts,
  address: ObjectAddress,
  teller: Replica,
): Promise<VersionedObject | undefined | 'failed'> {
  return new Promise((resolve) => {
    const request = { kind: 'get', key: new ObjectKey(address) } as const;
    replicas.send(
      teller,
      request,
      (reply) => {
        if (reply.kind === 'object') resolve(reply.object);
        else resolve(reply.kind === 'notfound' ? undefined : 'failed');
      },
      readTimeoutMs,
    );
  });
}
