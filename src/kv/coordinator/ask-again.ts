/**
 * A second look before a key is called missing (R9 in `read-quorum.ts`). A primary that did not take the question, though
 * liveness calls it up, may be the only one that has the key: its connection broke, its queue was full, and the other
 * primary failed when the key was written. It is asked again, a few times, after pauses that grow; one that liveness
 * gives up meanwhile is left out. So is a primary asked that liveness holds to be dead for a while though it answers,
 * because it came and went, or calls dead though a connection to it stands (`Topology.mayAnswer`).
 *
 * What the first of them has may be older than what the next one has: so all of a round are heard, those that are slow not for long.
 *
 * Only reads come here that found nothing, or nothing yet (R12), while a primary was out of reach: nobody else pays for it.
 */
import type { Replica } from '../../core/ring/index.ts';
import { Deadline } from '../../core/vnode/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { mergeObjects, type VersionedObject } from '../object/index.ts';
import type { ObjectKey, ReplicaReply } from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';

/** How often a primary is asked again. */
export const askAgainRoundsMax = 4;
/** Before the first time; twice as long before each that follows. All pauses together are three quarters of a second. */
export const askAgainPauseMsMin = 50;

/** So long the answer of a primary may take that liveness calls dead: if it is cut off, nothing comes, and the client waits. */
const deadAnswerMsMax = 300;
/** And so long that of any other, once one has the object. */
const otherAnswersMsMax = 300;

export type SecondLook =
  /** `nodes`: so many have it. */
  | { readonly kind: 'found'; readonly object: VersionedObject; readonly nodes: number }
  /** Nobody who could be reached has it. `refused`: somebody who could not be asked is there, and has too much to do. */
  | { readonly kind: 'missing'; readonly refused: boolean };

export class AskAgain extends Deadline {
  readonly #parts: CoordinatorParts;
  readonly #key: ObjectKey;
  readonly #answerMsMax: number;
  readonly #done: (look: SecondLook) => void;
  /** Primaries that have not said what they have. */
  #lost: readonly Replica[];
  #refused = new Set<Replica>();
  #found: VersionedObject | undefined;
  readonly #holders = new Set<NodeId>();
  #waiting = 0;
  #round = 0;
  #isOver = false;

  /** `answerMsMax`: milliseconds that an answer may take. `done` is called once, unless it is stopped before. */
  constructor(
    parts: CoordinatorParts,
    key: ObjectKey,
    lost: readonly Replica[],
    answerMsMax: number,
    done: (look: SecondLook) => void,
  ) {
    super();
    this.#parts = parts;
    this.#key = key;
    this.#lost = lost;
    this.#answerMsMax = answerMsMax;
    this.#done = done;
  }

  start(): void {
    const { deadlines, topology } = this.#parts;
    this.#lost = this.#lost.filter(({ node }) => topology.mayAnswer(node));
    if (this.#lost.length === 0 || this.#round === askAgainRoundsMax) {
      this.#finish({ kind: 'missing', refused: this.#lost.some((replica) => this.#refused.has(replica)) });
      return;
    }
    deadlines.set(this, askAgainPauseMsMin * 2 ** this.#round);
    this.#round += 1;
  }

  /** What has come of it so far, while others are waited for. */
  get found(): VersionedObject | undefined {
    return this.#found;
  }

  stop(): void {
    this.#isOver = true;
    this.#parts.deadlines.clear(this);
  }

  override expired(): void {
    if (this.#found !== undefined) {
      this.#finish({ kind: 'found', object: this.#found, nodes: this.#holders.size });
      return;
    }
    this.#refused = new Set();
    this.#waiting = this.#lost.length;
    for (const replica of this.#lost) {
      const request = { kind: 'get', key: this.#key } as const;
      const isUp = this.#parts.topology.isUp(replica.node);
      const patienceMs = isUp ? this.#answerMsMax : Math.min(deadAnswerMsMax, this.#answerMsMax);
      this.#parts.replicas.send(replica, request, (reply) => this.#heard(replica, reply), patienceMs);
    }
  }

  #heard(replica: Replica, reply: ReplicaReply): void {
    if (this.#isOver) return;
    this.#waiting -= 1;
    if (reply.kind === 'object') this.#foundAt(replica.node, reply.object);
    if (this.#found !== undefined) {
      if (this.#waiting === 0)
        this.#finish({ kind: 'found', object: this.#found, nodes: this.#holders.size });
      return;
    }
    // That the queue to one is full which is called dead says nothing of it.
    const isThere = reply.kind === 'failed' || this.#parts.topology.isUp(replica.node);
    const isRefused = isThere && isOverload(reply);
    if (isRefused) this.#refused.add(replica);
    else if (reply.kind !== 'unanswered') this.#lost = this.#lost.filter((each) => each !== replica);
    if (this.#waiting === 0) this.start();
  }

  #foundAt(node: NodeId, object: VersionedObject): void {
    this.#holders.add(node);
    if (this.#found === undefined) this.#parts.deadlines.set(this, otherAnswersMsMax);
    this.#found = this.#found === undefined ? object : mergeObjects(this.#found, object);
  }

  #finish(look: SecondLook): void {
    this.stop();
    this.#done(look);
  }
}

function isOverload(reply: ReplicaReply): boolean {
  if (reply.kind === 'unanswered') return reply.reason === 'overload' || reply.reason === 'unheard';
  return reply.kind === 'failed' && reply.error.code === 'overload';
}
