/**
 * Counts the replies to a read and says when the answer is known (Dynamo §4.5; Riak's get core).
 *
 * A value that is told of replies: it does not wait, and knows neither clock nor network.
 *
 * R1  Objects count for r. A `notfound` counts too if `notfoundOk`.
 * R2  For pr, the same, but only from replicas that are primaries.
 * R3  For node_confirms, distinct nodes among the replies that count.
 * R4  Failures are errors, and notfounds unless `notfoundOk`. When so many have failed that r or pr
 *     can no longer be met, or (with `basicQuorum`) a majority has, the read ends.
 * R5  A read whose replies are all notfound or tombstones, without an error, is `notfound` even if
 *     the quorum was not met.
 * R6  A reply that has been counted is not counted again.
 * R7  A fallback's `notfound` is no evidence of absence: it is as if it had not come until every primary of the
 *     list has answered or failed. A fallback is fast because it is empty.
 * R8  A fallback that takes the place of a replica answers for its position: not as a primary, on its own node.
 * R9  A miss is certain if primaries on as many nodes as r say so. Any other rests on a fallback's word, or on nobody's, and
 *     whoever can should ask the primaries once more that did not take the question (`AskAgain`).
 * R10 As long as a primary has neither answered nor failed, nodes count for r, not replicas, and so do misses that are
 *     failures (R4). In a small ring a node may hold two replicas of a key: one that has been away missed both.
 * R11 A narrow read, which asks no more replicas than its quorum needs, ends only if all of them hold one version of an
 *     object that is no tombstone and does not expire. Any other reply makes the read ask everybody (`NarrowReads`).
 * R12 While a primary keeps a read waiting, and who stands in for another has nothing, that other is asked, if it may answer. If as
 *     many nodes as r have the object, that is the answer. Not with pr or node_confirms, which say who is to answer.
 */
import type { Replica } from '../../core/ring/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import type { KvError, QuorumName } from '../kv-error.ts';
import { mergeObjects, sameVersion, type VersionedObject } from '../object/index.ts';

export interface ReadRequirements {
  readonly r: number;
  readonly pr: number;
  readonly nodeConfirms: number;
  readonly notfoundOk: boolean;
  readonly basicQuorum: boolean;
}

export type ReadReply =
  | { readonly kind: 'object'; readonly object: VersionedObject }
  | { readonly kind: 'notfound' }
  /** `error` undefined: the replica was not reached. */
  | { readonly kind: 'failed'; readonly error: KvError | undefined; readonly damaged?: boolean };

export type ReadDecision =
  | { readonly kind: 'waiting' }
  /** `object` is the merge of what has come; undefined: nothing is stored. */
  | { readonly kind: 'met'; readonly object: VersionedObject | undefined }
  | { readonly kind: 'failed'; readonly error: KvError };

const waiting: ReadDecision = { kind: 'waiting' };

export class ReadQuorum {
  #replicas: readonly Replica[];
  readonly #need: ReadRequirements;
  /** By position in the preference list. */
  readonly #replies: (ReadReply | undefined)[] = [];
  readonly #failuresMax: number;
  #merged: VersionedObject | undefined;
  #answered = 0;
  #objects = 0;
  #objectsOfPrimaries = 0;
  #notfoundsOfPrimaries = 0;
  #notfoundsOfFallbacks = 0;
  #errors = 0;
  #primariesWaiting = 0;
  #isUnanimous = true;

  constructor(replicas: readonly Replica[], n: number, need: ReadRequirements) {
    this.#replicas = replicas;
    this.#need = need;
    // Not `new Array(length).fill(undefined)`, which costs twice as much, at each request.
    for (const { primary } of replicas) {
      this.#replies.push(undefined);
      if (primary) this.#primariesWaiting += 1;
    }
    const untilImpossible = n - Math.max(need.r, need.pr) + 1;
    this.#failuresMax = need.basicQuorum ? Math.min(Math.floor(n / 2) + 1, untilImpossible) : untilImpossible;
  }

  /** Records the reply of the replica at `position`. */
  reply(position: number, reply: ReadReply): ReadDecision {
    if (this.#replies[position] !== undefined) return waiting;
    this.#replies[position] = reply;
    this.#answered += 1;
    const { primary } = this.#replicas[position];
    if (primary) this.#primariesWaiting -= 1;
    switch (reply.kind) {
      case 'object':
        this.#objects += 1;
        if (primary) this.#objectsOfPrimaries += 1;
        this.#isUnanimous &&=
          isPlain(reply.object) && sameVersion(reply.object, this.#merged ?? reply.object);
        this.#merged = this.#merged === undefined ? reply.object : mergeObjects(this.#merged, reply.object);
        break;
      case 'notfound':
        if (primary) this.#notfoundsOfPrimaries += 1;
        else this.#notfoundsOfFallbacks += 1;
        break;
      case 'failed':
        this.#errors += 1;
        break;
      default:
        unreachable(reply);
    }
    return this.#decide();
  }

  /**
   * All replies so far are one version of an object that is there to stay: a read that has its quorum may leave it at that
   * (R11). False for good after any other reply.
   */
  get isUnanimous(): boolean {
    return this.#isUnanimous && this.#objects === this.#answered;
  }

  /** A fallback is asked instead of the replica at `position`, whose failure was not told: it counts as one (R7, R8). */
  replace(position: number, standIn: Replica): ReadDecision {
    assert(this.#replies[position] === undefined, 'nobody stands in for a replica that has answered');
    if (this.#replicas[position].primary) this.#primariesWaiting -= 1;
    this.#isUnanimous = false;
    this.#replicas = this.#replicas.with(position, standIn);
    return this.#decide();
  }

  /** The merge of all that has come. */
  get merged(): VersionedObject | undefined {
    return this.#merged;
  }

  get complete(): boolean {
    return this.#answered === this.#replicas.length;
  }

  /** Of a read that found nothing (R9). */
  get isCertainMiss(): boolean {
    const nodes = new Set<NodeId>();
    this.#replies.forEach((reply, position) => {
      const { node, primary } = this.#replicas[position];
      if (primary && reply?.kind === 'notfound') nodes.add(node);
    });
    return nodes.size >= this.#need.r;
  }

  /** A primary has said nothing yet, who stands in for another has nothing, and nobody has anything (R12). */
  get isHeldUp(): boolean {
    const isAboutNodes = this.#need.pr > 0 || this.#need.nodeConfirms > 0;
    const isWaiting = this.#primariesWaiting > 0 && this.#merged === undefined;
    return isWaiting && this.#notfoundsOfFallbacks > 0 && !isAboutNodes;
  }

  /** A primary whose place was taken, or whose failure was counted, has the object after all (R9). */
  foundLate(object: VersionedObject): void {
    this.#merged = this.#merged === undefined ? object : mergeObjects(this.#merged, object);
  }

  /** Every replica has the object, or a version of it: the condition for forgetting a tombstone. */
  get everyReplicaHasObject(): boolean {
    return this.#objects === this.#replicas.length;
  }

  /** Positions of the replicas that have less than the merged object, or a damaged copy: the targets of read repair. */
  stale(): readonly number[] {
    const merged = this.#merged;
    if (merged === undefined) return [];
    const positions: number[] = [];
    this.#replies.forEach((reply, position) => {
      if (reply === undefined) return;
      const isStale =
        reply.kind === 'failed'
          ? reply.damaged === true
          : reply.kind === 'notfound' || !sameVersion(reply.object, merged);
      if (isStale) positions.push(position);
    });
    return positions;
  }

  /** The misses that are evidence (R7). */
  get #notfounds(): number {
    return this.#notfoundsOfPrimaries + (this.#primariesWaiting === 0 ? this.#notfoundsOfFallbacks : 0);
  }

  get #counted(): number {
    if (this.#primariesWaiting > 0) return this.#nodesWith(this.#need.notfoundOk ? isAnswer : isObject);
    return this.#objects + (this.#need.notfoundOk ? this.#notfounds : 0);
  }

  get #missesThatFail(): number {
    return this.#primariesWaiting > 0 ? this.#nodesWith(isMiss) : this.#notfounds;
  }

  get #countedPrimaries(): number {
    return this.#objectsOfPrimaries + (this.#need.notfoundOk ? this.#notfoundsOfPrimaries : 0);
  }

  #decide(): ReadDecision {
    const { r, pr, nodeConfirms, notfoundOk } = this.#need;
    const quorumMet = this.#counted >= r && this.#countedPrimaries >= pr;
    if (quorumMet && (nodeConfirms === 0 || this.#confirmingNodes() >= nodeConfirms)) {
      return { kind: 'met', object: this.#merged };
    }
    const failures = this.#errors + (notfoundOk ? 0 : this.#missesThatFail);
    if (failures < this.#failuresMax && !this.complete) return waiting;
    return this.#unmet();
  }

  #unmet(): ReadDecision {
    const { r, pr, nodeConfirms } = this.#need;
    const nothingLive = this.#merged === undefined || this.#merged.isTombstone;
    if (this.#errors === 0 && nothingLive) return { kind: 'met', object: this.#merged };
    // What may pass goes first: the client may ask again.
    for (const code of ['overload', 'too_large'] as const) {
      for (const reply of this.#replies) {
        if (reply?.kind === 'failed' && reply.error?.code === code)
          return { kind: 'failed', error: reply.error };
      }
    }
    const unsatisfied = (quorum: QuorumName, wanted: number, got: number): ReadDecision => ({
      kind: 'failed',
      error: { code: 'quorum_unsatisfied', quorum, wanted, got },
    });
    const rMet = this.#counted >= r;
    if (this.#countedPrimaries < pr && (rMet || pr >= r))
      return unsatisfied('pr', pr, this.#countedPrimaries);
    if (!rMet) return unsatisfied('r', r, this.#counted);
    return unsatisfied('node_confirms', nodeConfirms, this.#confirmingNodes());
  }

  #confirmingNodes(): number {
    return this.#nodesWith(this.#need.notfoundOk ? isAnswer : isObject);
  }

  /** Nodes of which such a reply has come that is evidence (R7). */
  #nodesWith(is: (reply: ReadReply) => boolean): number {
    let nodes = 0;
    for (let position = 0; position < this.#replies.length; position += 1) {
      if (this.#isEvidence(position, is) && !this.#hasEarlier(position, is)) nodes += 1;
    }
    return nodes;
  }

  #isEvidence(position: number, is: (reply: ReadReply) => boolean): boolean {
    const reply = this.#replies[position];
    if (reply === undefined || !is(reply)) return false;
    return reply.kind !== 'notfound' || this.#replicas[position].primary || this.#primariesWaiting === 0;
  }

  #hasEarlier(position: number, is: (reply: ReadReply) => boolean): boolean {
    const { node } = this.#replicas[position];
    for (let earlier = 0; earlier < position; earlier += 1) {
      if (this.#replicas[earlier].node === node && this.#isEvidence(earlier, is)) return true;
    }
    return false;
  }
}

/** No tombstone, and nothing that passes for missing some day: whoever misses those asks everybody. */
function isPlain({ isTombstone, mayExpire }: VersionedObject): boolean {
  return !isTombstone && !mayExpire;
}

function isObject({ kind }: ReadReply): boolean {
  return kind === 'object';
}

function isMiss({ kind }: ReadReply): boolean {
  return kind === 'notfound';
}

function isAnswer({ kind }: ReadReply): boolean {
  return kind !== 'failed';
}
