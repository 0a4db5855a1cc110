/**
 * What is shown of each member, and the damping of what flaps: a member that comes back for the second time
 * within a window stays dead to this node for a while, twice as long each time, up to a bound. Routing, hinted
 * handoff and repair then follow a member that cannot make up its mind at a bounded rate.
 */
import type { Instant, NodeId } from '../../environment/index.ts';
import type { Reachability } from './liveness-view.ts';
import type { SwimOptions } from './swim-options.ts';

interface Shown {
  reachability: Reachability;
  hasStrays: boolean;
  /** It was reachable once; the first time that it appears is no return. */
  wasReachable: boolean;
  returns: number;
  lastReturnAt: number;
  heldUntil: number;
}

type FlapOptions = Pick<SwimOptions, 'flapWindowMs' | 'flapHoldMs' | 'flapHoldMsMax'>;

export class ReachabilityBoard {
  readonly #options: FlapOptions;
  readonly #byNode = new Map<NodeId, Shown>();
  /** Members that would be shown as reachable, were they not held. */
  readonly #held = new Set<NodeId>();

  constructor(options: FlapOptions) {
    this.#options = options;
  }

  add(node: NodeId): void {
    this.#byNode.set(node, {
      reachability: 'suspect',
      hasStrays: true,
      wasReachable: false,
      returns: 0,
      lastReturnAt: Number.NEGATIVE_INFINITY,
      heldUntil: Number.NEGATIVE_INFINITY,
    });
  }

  remove(node: NodeId): void {
    this.#byNode.delete(node);
    this.#held.delete(node);
  }

  of(node: NodeId): Reachability {
    return this.#byNode.get(node)?.reachability ?? 'dead';
  }

  /** Shows what has been found, or that the member is still held. True if anything is another than before. */
  show(node: NodeId, found: Reachability, hasStrays: boolean, now: Instant): boolean {
    const shown = this.#byNode.get(node)!;
    const reachability = this.#damp(node, shown, found, now);
    if (reachability === 'alive') shown.wasReachable = true;
    if (shown.reachability === reachability && shown.hasStrays === hasStrays) return false;
    shown.reachability = reachability;
    shown.hasStrays = hasStrays;
    return true;
  }

  #damp(node: NodeId, shown: Shown, found: Reachability, now: Instant): Reachability {
    const isReturn = found !== 'dead' && shown.reachability === 'dead' && shown.wasReachable;
    if (isReturn && !this.#held.has(node)) this.#countReturn(shown, now);
    if (isReturn && shown.heldUntil > now) {
      this.#held.add(node);
      return 'dead';
    }
    this.#held.delete(node);
    return found;
  }

  /** Found to be reachable, and shown as dead. */
  isHeld(node: NodeId): boolean {
    return this.#held.has(node);
  }

  /** Members whose hold is over: to be shown again. */
  due(now: Instant): NodeId[] {
    return [...this.#held].filter((node) => this.#byNode.get(node)!.heldUntil <= now);
  }

  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const node of this.#held) earliest = Math.min(earliest, this.#byNode.get(node)!.heldUntil);
    return earliest;
  }

  #countReturn(shown: Shown, now: Instant): void {
    const { flapWindowMs, flapHoldMs, flapHoldMsMax } = this.#options;
    const isFlapping = now - shown.lastReturnAt <= flapWindowMs;
    shown.returns = isFlapping ? shown.returns + 1 : 1;
    shown.lastReturnAt = now;
    if (shown.returns < 2) return;
    const doublings = Math.min(shown.returns - 2, doublingsMax);
    shown.heldUntil = now + Math.min(flapHoldMsMax, flapHoldMs * 2 ** doublings);
  }
}

/** The hold has reached its bound long before. */
const doublingsMax = 30;
