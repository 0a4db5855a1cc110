/**
 * Deletes: a read for the clock of what is there, unless the client brings it; then a tombstone with that clock; then,
 * after a pause, a read of all replicas, which lets the tombstone be forgotten where it is all there is.
 */
import type { VersionVector } from '../clocks/index.ts';
import type { Environment, Instant } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import { tombstoneContent } from '../wire/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import {
  type CoordinatorParts,
  coordinateGet,
  coordinatePut,
  type PreparedWrite,
  type WriteOutcome,
} from './coordinator/index.ts';
import type { DeleteRequest, DeleteResult, GetRequest, ObjectAddress } from './key-value-store.ts';
import { PostponedWork } from './postponed-work.ts';
import { quorumAll } from './quorum-value.ts';
import { addressOnly, decodeContext } from './request-checks.ts';
import type { RequestDoor } from './request-door.ts';
import { uniqueText, vtagLength } from './unique-text.ts';
import { isLive } from './visible-object.ts';
import type { DeleteMode } from './vnode/index.ts';
import { preparedOnce } from './write-once.ts';

/** The read after a delete, which lets its tombstone be forgotten, waits this long at most. */
export const reapReadTimeoutMs = 60_000;
/** Deletes whose reap read has not begun. Beyond this the next read of the key does it. */
const reapReadsMax = 10_000;

export interface DeleteSettings {
  readonly deleteMode: DeleteMode;
  /** Milliseconds from a delete to the read that lets its tombstone be forgotten. */
  readonly tombstonePauseMs: number;
}

export class Deletes {
  readonly #coordinator: CoordinatorParts;
  readonly #door: RequestDoor;
  readonly #environment: Pick<Environment, 'clock' | 'timers' | 'random'>;
  readonly #settings: DeleteSettings;
  readonly #defersRepair: () => boolean;
  readonly #reapReads: PostponedWork;

  constructor(
    coordinator: CoordinatorParts,
    door: RequestDoor,
    environment: Pick<Environment, 'clock' | 'timers' | 'random'>,
    settings: DeleteSettings,
    defersRepair: () => boolean,
  ) {
    this.#coordinator = coordinator;
    this.#door = door;
    this.#environment = environment;
    this.#settings = settings;
    this.#defersRepair = defersRepair;
    this.#reapReads = new PostponedWork(environment.timers, reapReadsMax);
  }

  /** Of an admitted request. */
  delete(
    request: DeleteRequest,
    properties: BucketProperties,
    startedAt: Instant,
    done: (result: DeleteResult) => void,
  ): void {
    if (request.context !== undefined && request.context.length > 0) {
      const context = decodeContext(request.context);
      if (context === undefined) done({ kind: 'failed', error: { code: 'bad_context' } });
      else this.#writeTombstone(request, context, properties, done);
      return;
    }
    const { r, pr, rw, timeoutMs, sloppyQuorum, nVal } = request;
    const read: GetRequest = { ...addressOnly(request), r: r ?? rw, pr, timeoutMs, sloppyQuorum, nVal };
    coordinateGet(this.#coordinator, read, properties, (outcome) => {
      if (outcome.kind === 'failed') done(outcome);
      else if (!isLive(outcome.object, properties, this.#environment.clock.wallMicros()))
        done({ kind: 'notfound' });
      else {
        const rest = { ...request, timeoutMs: this.#door.timeLeft(timeoutMs, startedAt) };
        this.#writeTombstone(rest, outcome.object.clock, properties, done);
      }
    });
  }

  close(): void {
    this.#reapReads.close();
  }

  #writeTombstone(
    request: DeleteRequest,
    context: VersionVector,
    properties: BucketProperties,
    done: (result: DeleteResult) => void,
  ): void {
    const { random, clock } = this.#environment;
    const { w, dw, pw, rw, nodeConfirms, sloppyQuorum, nVal, timeoutMs, syncOnWrite } = request;
    const tombstone: PreparedWrite = {
      address: addressOnly(request),
      options: { w: w ?? rw, dw, pw, nodeConfirms, sloppyQuorum, nVal, timeoutMs, syncOnWrite },
      context,
      content: tombstoneContent(uniqueText(random, vtagLength), clock.wallMicros()),
      update: undefined,
      condition: 'none',
      asis: false,
      wantsObject: false,
      isForwarded: false,
    };
    const write = properties.write_once ? preparedOnce(tombstone, random) : tombstone;
    coordinatePut(this.#coordinator, write, properties, (outcome) => {
      if (outcome.kind !== 'written') {
        done(failureOf(outcome));
        return;
      }
      done({ kind: 'deleted' });
      if (nVal === undefined) this.#reapSoon(write.address, properties);
    });
  }

  /** Reads the key at all replicas: a read that finds only the tombstone everywhere lets it be forgotten. */
  #reapSoon(address: ObjectAddress, properties: BucketProperties): void {
    if (this.#settings.deleteMode === 'keep') return;
    this.#reapReads.postpone(this.#settings.tombstonePauseMs, () => {
      if (this.#defersRepair()) return;
      const read = { ...address, r: quorumAll, timeoutMs: reapReadTimeoutMs };
      coordinateGet(this.#coordinator, read, properties, () => {});
    });
  }
}

/** Only a write that came from another node can be declined. */
export function failureOf(outcome: Exclude<WriteOutcome, { kind: 'written' }>) {
  assert(outcome.kind === 'failed', 'a write of a client is coordinated somewhere, or fails');
  return outcome;
}
