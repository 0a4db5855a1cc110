/**
 * Drives a write that this node cannot coordinate: it is sent whole, once, to a node that holds a replica, which
 * coordinates it. A second node is asked only where that cannot hurt: the first has said that nothing happened, or
 * the write may be repeated. A plain write may: with its vtag and time it is the same write wherever it is
 * coordinated, and its siblings are shown as one (`withoutTwins`). A conditional one may not: it could meet itself. Nor
 * may an operation on a data type: an increment would count twice.
 *
 * Behind a cut nobody answers, and liveness soon says so: who is called dead meanwhile is not asked, and where nobody is
 * left a plain write is coordinated here.
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import type { Silence } from '../../core/vnode/index.ts';
import type { Instant, NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { encodeDatatypeWrite } from '../datatype/index.ts';
import type { KvError } from '../kv-error.ts';
import { ObjectKey, type ReplicaCoordinate, type ReplicaReply } from '../vnode/index.ts';
import type { CoordinatorParts, CoordinatorSettings } from './coordinator-parts.ts';
import { mayStandIn } from './next-fallback.ts';
import type { PreparedWrite, WriteOutcome } from './prepared-write.ts';
import { rulesOf, type WriteHolders } from './write-plan.ts';

export interface Forwarding {
  readonly properties: BucketProperties;
  readonly n: number;
  readonly replicas: PreferenceList;
  readonly done: (outcome: WriteOutcome) => void;
  /** Instead of an error, where nobody was within reach and the write may be repeated. */
  readonly orHere?: CoordinateHere | undefined;
}

export type CoordinateHere = (leftMs: number, done: (outcome: WriteOutcome) => void) => void;

/** A write is forwarded once: who gets one and cannot coordinate it declines. */
export function coordinateElsewhere(
  parts: CoordinatorParts,
  write: PreparedWrite,
  properties: BucketProperties,
  { n, replicas }: WriteHolders,
  done: (outcome: WriteOutcome) => void,
  orHere?: CoordinateHere,
): void {
  if (write.isForwarded) done({ kind: 'declined' });
  else forwardPut(parts, write, { properties, n, replicas, done, orHere });
}

export function forwardPut(parts: CoordinatorParts, write: PreparedWrite, forwarding: Forwarding): void {
  const candidates = coordinatorsAmong(parts, forwarding.replicas);
  new ForwardedWrite(parts, write, forwarding, candidates).askNext();
}

/** One replica of each other node, primaries first, then the nearest, then in ring order. */
function coordinatorsAmong(
  { topology, latencies }: CoordinatorParts,
  list: PreferenceList,
): readonly Replica[] {
  const nodes = new Set<NodeId>([topology.self]);
  const candidates: Replica[] = [];
  for (const replica of list) {
    if (nodes.has(replica.node)) continue;
    nodes.add(replica.node);
    candidates.push(replica);
  }
  const rank = ({ node, primary }: Replica) => (primary ? 0 : 1000) + latencies.rank(node);
  return candidates.sort((a, b) => rank(a) - rank(b));
}

/** Nobody is given up sooner, unless it is configured so. */
const patienceMsMin = 500;

class ForwardedWrite {
  readonly #parts: CoordinatorParts;
  readonly #request: Omit<ReplicaCoordinate, 'timeoutMs'>;
  /** To be asked, in this order. */
  readonly #candidates: Replica[];
  readonly #done: (outcome: WriteOutcome) => void;
  readonly #orHere: CoordinateHere | undefined;
  readonly #mayRepeat: boolean;
  readonly #until: Instant;
  /** Who was not waited for any longer, and is asked once more when nobody else is left. */
  readonly #late: Replica[] = [];
  #asked = 0;
  /** Nobody can say whether some node that was asked has written it. */
  #mayHaveHappened = false;
  /** Somebody who was asked is there. */
  #wasHeard = false;
  #answered = false;

  constructor(
    parts: CoordinatorParts,
    write: PreparedWrite,
    { properties, n, done, orHere }: Forwarding,
    candidates: readonly Replica[],
  ) {
    const { address, context, content, update, condition, options, wantsObject } = write;
    assert(condition !== 'latest', 'who decides a condition coordinates the write, too');
    this.#parts = parts;
    this.#request = {
      kind: 'coordinate',
      key: new ObjectKey(address),
      context,
      content: update === undefined ? content : encodeDatatypeWrite(update),
      isUpdate: update !== undefined,
      condition,
      rules: rulesOf(n, options, properties),
      wantsObject,
    };
    this.#candidates = [...candidates];
    this.#done = done;
    this.#orHere = options.sloppyQuorum === false ? undefined : orHere;
    this.#mayRepeat = condition === 'none' && update === undefined;
    const timeoutMs = options.timeoutMs || parts.settings.requestTimeoutMs;
    this.#until = (parts.clock.now() + timeoutMs) as Instant;
  }

  askNext(): void {
    const { clock, observer, replicas, settings } = this.#parts;
    const leftMs = this.#until - clock.now();
    const replica = leftMs > 0 ? (this.#takeUp(this.#candidates) ?? this.#takeUp(this.#late)) : undefined;
    if (replica === undefined) {
      this.#giveUp();
      return;
    }
    this.#asked += 1;
    const attempt = this.#asked;
    const isLast = !this.#mayRepeat || !this.#candidates.some((other) => this.#isUp(other));
    const patienceMs = isLast ? leftMs : Math.min(leftMs, patienceOf(attempt, settings));
    observer.writeForwarded();
    const request: ReplicaCoordinate = { ...this.#request, timeoutMs: leftMs };
    const replied = (reply: ReplicaReply): void => {
      if (reply.kind === 'unanswered' && reply.reason === 'timeout' && !isLast) this.#late.push(replica);
      this.#replied(attempt, reply);
    };
    replicas.send(replica, request, replied, patienceMs);
  }

  /** The next that is up. */
  #takeUp(from: Replica[]): Replica | undefined {
    for (;;) {
      const replica = from.shift();
      if (replica === undefined || this.#isUp(replica)) return replica;
    }
  }

  #isUp({ node }: Replica): boolean {
    return this.#parts.topology.isUp(node);
  }

  #replied(attempt: number, reply: ReplicaReply): void {
    if (this.#answered) return;
    switch (reply.kind) {
      case 'coordinated':
        this.#answer({ kind: 'written', object: reply.object });
        return;
      case 'failed':
        this.#answer(reply);
        return;
      case 'declined':
        this.#wasHeard = true;
        if (attempt === this.#asked) this.askNext();
        return;
      case 'unanswered':
        if (attempt === this.#asked) this.#unanswered(reply.reason);
        return;
      default:
        // Not an answer to a write: whoever gives it has not said what became of it.
        if (attempt === this.#asked) this.#unanswered('unheard');
        return;
    }
  }

  #unanswered(reason: Silence): void {
    if (reason !== 'overload') this.#mayHaveHappened = true;
    if (reason === 'overload' || reason === 'unheard') this.#wasHeard = true;
    if (reason === 'overload' || this.#mayRepeat) this.askNext();
    else this.#giveUp();
  }

  #giveUp(): void {
    const leftMs = this.#until - this.#parts.clock.now();
    const isLast = this.#mayRepeat && !this.#wasHeard && leftMs > 0 && !this.#answered;
    if (this.#orHere !== undefined && isLast && mayStandIn(this.#parts.topology)) {
      this.#answered = true;
      this.#orHere(leftMs, (outcome) => this.#done(this.#asFarAsKnown(outcome)));
      return;
    }
    this.#answer({ kind: 'failed', error: { code: 'overload' } });
  }

  #answer(outcome: WriteOutcome): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#done(this.#asFarAsKnown(outcome));
  }

  /** W5: that one node refuses it says nothing of who was asked before. */
  #asFarAsKnown(outcome: WriteOutcome): WriteOutcome {
    const isDenied = outcome.kind === 'failed' && saysThatNothingHappened(outcome.error);
    return isDenied && this.#mayHaveHappened ? { kind: 'failed', error: { code: 'timeout' } } : outcome;
  }
}

/**
 * Half as long for each that has not answered: their times add up, and who has waited for one already had better ask
 * several.
 */
function patienceOf(attempt: number, { coordinatorFailureTimeoutMs: first }: CoordinatorSettings): number {
  return Math.max(first / 2 ** (attempt - 1), Math.min(first, patienceMsMin));
}

function saysThatNothingHappened({ code }: KvError): boolean {
  return code !== 'timeout' && code !== 'storage' && code !== 'quorum_unsatisfied';
}
