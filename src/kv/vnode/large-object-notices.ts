/** Logs of objects that are large, at most one line in a while: who writes them writes them often. */
import type { Clock, Instant, Log } from '../../environment/index.ts';
import { textOfBytes } from '../../stdx/index.ts';
import type { VersionedObject } from '../object/index.ts';
import type { ObjectKey } from './object-key.ts';

/** Milliseconds between two lines. */
export const largeObjectNoticeMs = 10_000;

export class LargeObjectNotices {
  readonly #log: Log;
  readonly #clock: Clock;
  #saidAt: Instant | undefined;
  #unsaid = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `writesUnsaid`: writes of large objects, of any key, that were not logged since the line before. */
  wrote(key: ObjectKey, { sizeBytes, siblingCount }: VersionedObject): void {
    const now = this.#clock.now();
    if (this.#saidAt !== undefined && now - this.#saidAt < largeObjectNoticeMs) {
      this.#unsaid += 1;
      return;
    }
    const { bucket, key: name } = key.address;
    this.#log.warn('an object is large', {
      bucket: textOfBytes(bucket),
      key: textOfBytes(name),
      bytes: sizeBytes,
      siblings: siblingCount,
      writesUnsaid: this.#unsaid,
    });
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}
