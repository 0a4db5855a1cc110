/**
 * What every request passes first: whether the node takes it at all, whether its names may be used, and what its bucket
 * is like. Each kind of request is a class of its own behind it.
 */
import type { Clock, Instant } from '../environment/index.ts';
import { type ByteString, textOfBytes } from '../stdx/index.ts';
import type { Admission } from './admission.ts';
import type { BucketProperties } from './bucket-properties.ts';
import { chunkType } from './chunk-space.ts';
import { type BucketAddress, KvFailure } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import type { PropertyStore } from './property-store.ts';
import { checkName } from './request-checks.ts';

export class RequestDoor {
  readonly #admission: Admission;
  readonly #properties: PropertyStore;
  readonly #clock: Clock;
  readonly #requestTimeoutMs: number;

  constructor(admission: Admission, properties: PropertyStore, clock: Clock, requestTimeoutMs: number) {
    this.#admission = admission;
    this.#properties = properties;
    this.#clock = clock;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  get isStopping(): boolean {
    return this.#admission.isStopping;
  }

  /** Admits a request, or says why not. Every admitted request calls `left` once. */
  enter(
    work: 'read' | 'write',
    address: BucketAddress,
    key: ByteString,
    now: Instant,
  ): BucketProperties | KvError {
    const refusal = this.#admission.refusal(work, now);
    if (refusal !== undefined) return { code: refusal };
    const badName = checkName('bucket', address.bucket) ?? checkName('key', key);
    if (badName !== undefined) return badName;
    const properties = this.#propertiesOf(address);
    if (!('code' in properties)) this.#admission.enter(work, now);
    return properties;
  }

  /** As `enter`; a bucket whose properties are damaged takes no writes. */
  enterWrite(address: BucketAddress, key: ByteString, now: Instant): BucketProperties | KvError {
    const damage = this.#properties.damageOf(address);
    if (damage !== undefined) return { code: 'storage', reason: damage };
    return this.enter('write', address, key, now);
  }

  /** Returns the milliseconds that the request took. */
  left(work: 'read' | 'write', startedAt: Instant, succeeded: boolean): number {
    const now = this.#clock.now();
    const tookMs = now - startedAt;
    this.#admission.leave(work, succeeded ? tookMs : undefined, now);
    return tookMs;
  }

  /** For what is many reads, such as a listing. Throws `KvFailure`. */
  checkLoad(): void {
    const refusal = this.#admission.refusal('read', this.#clock.now());
    if (refusal !== undefined) throw new KvFailure({ code: refusal });
  }

  /** Throws `KvFailure`. */
  checkBucket(address: BucketAddress): BucketProperties {
    if (this.#admission.isStopping) throw new KvFailure({ code: 'stopping' });
    const properties = checkName('bucket', address.bucket) ?? this.#propertiesOf(address);
    if ('code' in properties) throw new KvFailure(properties);
    return properties;
  }

  /** Whatever is asked of the bucket next. */
  lookUp(address: BucketAddress): BucketProperties | KvError {
    return checkName('bucket', address.bucket) ?? this.#propertiesOf(address);
  }

  /** For the second phase of a request: milliseconds, at least one. */
  timeLeft(timeoutMs: number | undefined, startedAt: Instant): number {
    const spentMs = this.#clock.now() - startedAt;
    return Math.max(1, (timeoutMs || this.#requestTimeoutMs) - spentMs);
  }

  #propertiesOf(address: BucketAddress): BucketProperties | KvError {
    const badType = checkName('type', address.bucketType);
    if (badType !== undefined) return badType;
    const properties = address.bucketType === chunkType ? undefined : this.#properties.of(address);
    if (this.#properties.drops.has(address)) return { code: 'being_dropped' };
    return properties ?? { code: 'unknown_bucket_type', bucketType: textOfBytes(address.bucketType) };
  }
}
