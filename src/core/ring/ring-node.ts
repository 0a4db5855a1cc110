/** A node as placement sees it: a name, and the part of the world that it would fail together with. */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

export interface RingNode {
  readonly node: NodeId;
  /** Host, rack or zone. Undefined: the node shares its fate with no other. */
  readonly location: string | undefined;
}

/** The location of each node, one of its own for a node without any. A node that is not listed has its own too. */
export function locationsOf(nodes: readonly RingNode[]): (node: NodeId) => string {
  const locations = new Map<NodeId, string>();
  for (const { node, location } of nodes) {
    assert(!locations.has(node), `node ${node} is listed once`);
    locations.set(node, location === undefined ? `node ${node}` : `location ${location}`);
  }
  return (node) => locations.get(node) ?? `node ${node}`;
}
