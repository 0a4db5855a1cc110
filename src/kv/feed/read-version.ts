/** What a feed hands out of a key: what all replicas together have, or if some fail, what a quorum has. */
import type { VersionVector } from '../../clocks/index.ts';
import { type ByteString, byteStringOf } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { type CoordinatorParts, coordinateGet, type ReadOutcome } from '../coordinator/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { type VersionedObject, versionDigest } from '../object/index.ts';
import { quorumAll } from '../quorum-value.ts';
import { shownObject } from '../visible-object.ts';

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

/** For each of the two reads. */
const readTimeoutMs = 5000;
const nothing = '' as ByteString;

export async function readVersion(
  coordinator: CoordinatorParts,
  address: ObjectAddress,
  properties: BucketProperties,
): Promise<ReadVersion> {
  const read = (all: boolean): Promise<ReadOutcome> =>
    new Promise((resolve) => {
      const request = { ...address, timeoutMs: readTimeoutMs, ...(all ? { r: quorumAll } : {}) };
      coordinateGet(coordinator, request, properties, resolve);
    });
  let outcome = await read(true);
  if (outcome.kind === 'failed') outcome = await read(false);
  if (outcome.kind === 'failed') return { kind: 'failed' };
  const { object } = outcome;
  if (object === undefined) return { kind: 'read', object: undefined, clock: undefined, digest: nothing };
  return {
    kind: 'read',
    object: shownObject(object, properties, object.mayExpire ? coordinator.clock.wallMicros() : 0),
    clock: object.clock,
    digest: byteStringOf(versionDigest(object)),
  };
}
