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
  /** Not now. */
  | { readonly kind: 'failed' }
  /** No replica has a copy that can be read, and the one that tells of the change had one. */
  | { readonly kind: 'lost' };

/** `teller`: the replica whose feed tells of the change. */
export type ReadChange = (key: ByteString, teller: Replica) => Promise<ReadVersion>;

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
  if (own === 'damaged') return withoutTeller(coordinator, address, properties);
  if (own === 'failed') return { kind: 'failed' };
  const others = some.kind === 'read' ? some.object : undefined;
  const object = own === undefined || others === undefined ? (own ?? others) : mergeObjects(own, others);
  return versionOf(coordinator, object, properties);
}

/** The teller's copy is damaged: what the others have is all there is. */
async function withoutTeller(
  coordinator: CoordinatorParts,
  address: ObjectAddress,
  properties: BucketProperties,
): Promise<ReadVersion> {
  const { ring } = coordinator.topology;
  const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
  const first = ring.partitionOf(coordinator.names.of(address, bucketOnly));
  const replicas = Array.from({ length: Math.min(properties.n_val, ring.size) }, (_, step): Replica => {
    const partition = ring.after(first, step);
    return { partition, node: ring.ownerOf(partition), primary: true };
  });
  const copies = await Promise.all(replicas.map((replica) => copyOf(coordinator, address, replica)));
  const objects = copies.filter((copy) => typeof copy === 'object');
  if (objects.length > 0) return versionOf(coordinator, objects.reduce(mergeObjects), properties);
  return { kind: copies.includes('failed') ? 'failed' : 'lost' };
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
): Promise<VersionedObject | undefined | 'failed' | 'damaged'> {
  return new Promise((resolve) => {
    const request = { kind: 'get', key: new ObjectKey(address) } as const;
    replicas.send(
      teller,
      request,
      (reply) => {
        if (reply.kind === 'object') resolve(reply.object);
        else if (reply.kind === 'notfound') resolve(undefined);
        else resolve(reply.kind === 'failed' && reply.damaged === true ? 'damaged' : 'failed');
      },
      readTimeoutMs,
    );
  });
}
