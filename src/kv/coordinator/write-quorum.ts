/**
 * Counts the replies to a write and says when it may be acknowledged (Dynamo §4.5; Riak's put core).
 *
 * W1  w counts replicas that have received the write, dw those that have stored it as durably as asked.
 * W2  pw counts stored replies of primaries; node_confirms the distinct nodes of stored replies.
 * W3  dw is at least 1: nothing is acknowledged that nobody stored.
 * W4  The write fails when enough replicas failed that dw, pw or node_confirms can no longer be met, or
 *     when all have answered and something is unmet. W cannot fail by itself: what is stored was received.
 * W5  A failed write is not undone anywhere. The client must take it as "maybe". A refusal (`overload`, `too_large`, …) says that nothing
 *     has happened: it is the answer only when every replica has refused, and none may have it all the same. So who has
 *     not answered is waited for, as long as W8 waits.
 * W6  A reply that has been counted is not counted again.
 * W7  A fallback that takes the place of a replica answers for its position: not as a primary, on its own node.
 * W8  As long as a replica has neither stored nor failed nor been given up, w and dw count nodes, not replicas; and as
 *     long as a primary has not, fallbacks count for nothing: the mirror of R7. A fallback, or a second replica, may be on
 *     the very node that coordinates, and is fast because it is near. So an acknowledged write is on as many nodes,
 *     primaries first, as the quorum asks for and can be reached.
 */
import type { Replica } from '../../core/ring/index.ts';
import type { KvError, QuorumName } from '../kv-error.ts';

export interface WriteRequirements {
  readonly w: number;
  readonly dw: number;
  readonly pw: number;
  readonly nodeConfirms: number;
}

export type WriteReply =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'stored' }
  /** `error` undefined: the replica was not reached. */
  | { readonly kind: 'failed'; readonly error: KvError | undefined };

export type WriteDecision =
  | { readonly kind: 'waiting' }
  /** It fails; what the client hears is for those to decide who have not answered (W5). */
  | { readonly kind: 'doomed' }
  | { readonly kind: 'met' }
  | { readonly kind: 'failed'; readonly error: KvError };

const waiting: WriteDecision = { kind: 'waiting' };
const met: WriteDecision = { kind: 'met' };
const doomed: WriteDecision = { kind: 'doomed' };

export class WriteQuorum {
  #replicas: readonly Replica[];
  readonly #n: number;
  readonly #need: WriteRequirements;
  readonly #last: (WriteReply['kind'] | undefined)[] = [];
  /** Why a replica refused; not `overload`, if there is any other reason. */
  #refusal: KvError | undefined;
  /** Some replica that has failed, or was replaced, may have stored it. */
  #mayBeStored = false;
  #accepted = 0;
  #stored = 0;
  #storedPrimaries = 0;
  #failed = 0;
  #primariesAwaited = 0;
  /** Whether who has not answered yet may still be waited for (W8). */
  #isPatient = true;

  constructor(replicas: readonly Replica[], n: number, need: WriteRequirements) {
    this.#replicas = replicas;
    this.#n = n;
    this.#need = need;
    // Not `new Array(length).fill(undefined)`, which costs twice as much, at each request.
    for (const { primary } of replicas) {
      this.#last.push(undefined);
      if (primary) this.#primariesAwaited += 1;
    }
  }

  /** Records what the replica at `position` says. `stored` implies `accepted`. */
  reply(position: number, reply: WriteReply): WriteDecision {
    const last = this.#last[position];
    if (last === 'stored' || last === 'failed' || last === reply.kind) return waiting;
    this.#last[position] = reply.kind;
    const { primary } = this.#replicas[position];
    if (primary && reply.kind !== 'accepted') this.#primariesAwaited -= 1;
    if (last === undefined && reply.kind !== 'failed') this.#accepted += 1;
    if (reply.kind === 'stored') {
      this.#stored += 1;
      if (primary) this.#storedPrimaries += 1;
    }
    if (reply.kind === 'failed') {
      this.#failed += 1;
      // What has failed on its way to the disk, or to the next owner, may be on it.
      if (reply.error === undefined || reply.error.code === 'storage') this.#mayBeStored = true;
      if (this.#refusal === undefined || this.#refusal.code === 'overload') {
        this.#refusal = reply.error ?? this.#refusal;
      }
    }
    return this.#decide();
  }

  /**
   * Another node is asked instead of the one at `position`, which has not stored and whose failure was not told.
   * `hasRefused`: nothing has happened there.
   */
  replace(position: number, replica: Replica, hasRefused: boolean): WriteDecision {
    if (!hasRefused) this.#mayBeStored = true;
    if (this.#replicas[position].primary) this.#primariesAwaited -= 1;
    this.#replicas = this.#replicas.with(position, replica);
    return this.#decide();
  }

  /** A replica that may have stored it is asked once more. */
  askedAgain(): void {
    this.#mayBeStored = true;
  }

  /** Who has not answered is given up: what the others have is as good as it gets (W8). */
  stopWaiting(): WriteDecision {
    this.#isPatient = false;
    return this.#decide();
  }

  get complete(): boolean {
    return this.#stored + this.#failed === this.#replicas.length;
  }

  #decide(): WriteDecision {
    const { w, dw, pw, nodeConfirms } = this.#need;
    const isWaiting = this.#isPatient && !this.complete;
    const accepted = isWaiting ? this.#nodes('accepted') : this.#accepted;
    const stored = isWaiting ? this.#nodes('stored') : this.#stored;
    const confirmed = nodeConfirms === 0 || this.#nodes('stored') >= nodeConfirms;
    if (accepted >= w && stored >= dw && this.#storedPrimaries >= pw && confirmed) return met;
    const strictest = Math.max(dw, pw, nodeConfirms);
    const impossible = this.#failed >= this.#n - strictest + 1;
    if (!impossible && !this.complete) return waiting;
    return isWaiting && this.#mayBeRefusal ? doomed : { kind: 'failed', error: this.#error() };
  }

  /** Whether all that have answered have refused, in words that say that nothing has happened. */
  get #mayBeRefusal(): boolean {
    const { dw, pw, nodeConfirms } = this.#need;
    const isForDw = pw < dw && nodeConfirms < dw;
    return isForDw && this.#accepted === 0 && !this.#mayBeStored && isClaim(this.#refusal);
  }

  /** Which quorum to blame: pw or node_confirms if dw was met or they ask for at least as much, else dw. */
  #error(): KvError {
    const { dw, pw, nodeConfirms } = this.#need;
    const unsatisfied = (quorum: QuorumName, wanted: number, got: number): KvError => ({
      code: 'quorum_unsatisfied',
      quorum,
      wanted,
      got,
    });
    const dwMet = this.#stored >= dw;
    if (this.#storedPrimaries < pw && (dwMet || pw >= dw))
      return unsatisfied('pw', pw, this.#storedPrimaries);
    const nodes = this.#nodes('stored');
    if (nodes < nodeConfirms && (dwMet || nodeConfirms >= dw)) {
      return unsatisfied('node_confirms', nodeConfirms, nodes);
    }
    const isRefused = this.#failed === this.#replicas.length && !this.#mayBeStored;
    const isTrue = isRefused || (this.#stored === 0 && !isClaim(this.#refusal));
    return isTrue && this.#refusal !== undefined ? this.#refusal : unsatisfied('dw', dw, this.#stored);
  }

  /** Nodes that have received or stored the write, in the place of replicas that count (W8). */
  #nodes(said: 'accepted' | 'stored'): number {
    let nodes = 0;
    for (let position = 0; position < this.#last.length; position += 1) {
      if (this.#isHolder(position, said) && !this.#hasEarlier(position, said)) nodes += 1;
    }
    return nodes;
  }

  #isHolder(position: number, said: 'accepted' | 'stored'): boolean {
    const last = this.#last[position];
    const isCounted = this.#replicas[position].primary || this.#primariesAwaited === 0 || !this.#isPatient;
    return isCounted && (last === 'stored' || last === said);
  }

  #hasEarlier(position: number, said: 'accepted' | 'stored'): boolean {
    const { node } = this.#replicas[position];
    for (let earlier = 0; earlier < position; earlier += 1) {
      if (this.#replicas[earlier].node === node && this.#isHolder(earlier, said)) return true;
    }
    return false;
  }
}

/** Whether the reason of a failure says that nothing has happened. */
function isClaim(reason: KvError | undefined): boolean {
  return reason !== undefined && reason.code !== 'storage';
}
