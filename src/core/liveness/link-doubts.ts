/**
 * Members that others reach and this node does not: the link between the two is cut, one way or both. Such a
 * member lives, and nothing else is said of it to others; but from here it cannot be reached, so here it
 * is routed around. It is tried again in every protocol period, and one ack ends the doubt.
 */
import type { Instant, NodeId } from '../../environment/index.ts';

interface Doubt {
  /** Of the ping that the member did not answer in time. */
  readonly sequence: number;
  since: number;
  isDown: boolean;
}

export class LinkDoubts {
  readonly #byNode = new Map<NodeId, Doubt>();

  get isEmpty(): boolean {
    return this.#byNode.size === 0;
  }

  nodes(): IterableIterator<NodeId> {
    return this.#byNode.keys();
  }

  begin(node: NodeId, sequence: number, now: Instant): void {
    if (!this.#byNode.has(node)) this.#byNode.set(node, { sequence, since: now, isDown: false });
  }

  /** It has answered that ping or a later one, however late: slow is not cut. */
  answered(node: NodeId, sequence: number): void {
    const doubt = this.#byNode.get(node);
    if (doubt !== undefined && sequence >= doubt.sequence) this.#byNode.delete(node);
  }

  end(node: NodeId): void {
    this.#byNode.delete(node);
  }

  isDown(node: NodeId): boolean {
    return this.#byNode.get(node)?.isDown ?? false;
  }

  postpone(byMs: number): void {
    for (const doubt of this.#byNode.values()) if (!doubt.isDown) doubt.since += byMs;
  }

  /** Links that have not carried an ack for `patienceMs`: down from now on. */
  takeDown(now: Instant, patienceMs: number): NodeId[] {
    const fallen: NodeId[] = [];
    for (const [node, doubt] of this.#byNode) {
      if (doubt.isDown || doubt.since + patienceMs > now) continue;
      doubt.isDown = true;
      fallen.push(node);
    }
    return fallen;
  }

  deadline(patienceMs: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const doubt of this.#byNode.values()) {
      if (!doubt.isDown) earliest = Math.min(earliest, doubt.since + patienceMs);
    }
    return earliest;
  }
}
