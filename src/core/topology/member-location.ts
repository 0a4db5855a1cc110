import type { Member } from './cluster-state.ts';

/** Where a member stands: as operators said, else the host of its name, which nodes of one machine share. */
export function locationOf({ node, location }: Pick<Member, 'node' | 'location'>): string {
  return location ?? node.slice(node.lastIndexOf('@') + 1);
}
