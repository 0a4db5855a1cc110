/** What a journal begins with: of a new cluster, or of a new generation of one. */
import { Buffer } from 'node:buffer';
import { membershipOf } from '../../consensus/index.ts';
import type { NodeId, Random } from '../../environment/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { AgreedState } from './agreed-state.ts';
import type { JournalRecord } from './journal-record.ts';
import { drawReplicaName } from './replica-name.ts';

const idBytes = 16;

/** Of a cluster, or of a data directory. */
export function drawId(random: Random): string {
  return Buffer.from(random.bytes(idBytes)).toString('hex');
}

/**
 * A consensus group of which `node` is the only voter, and that begins with `state`. The state is the group's
 * first snapshot: whoever joins the group gets it like any other.
 */
export function groupOfOne(state: ClusterState, node: NodeId, random: Random): readonly JournalRecord[] {
  const name = drawReplicaName(node, random);
  const mark = { index: 1, term: 1, membership: membershipOf([name]) };
  const agreed = AgreedState.beginningWith(state).encode();
  const hardState = { term: 1, vote: undefined, isJoining: false };
  return [
    { kind: 'replica', replica: { name, generation: state.generation, mark, agreed } },
    { kind: 'log', write: { hardState, entries: [] } },
  ];
}
