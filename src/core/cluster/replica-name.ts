/**
 * The name of a replica in the consensus group: the node, and the life of its disk as a voter. A replica that
 * lost what it had acknowledged must not come back under its old name (docs/internals/consensus.md, "An id is
 * one disk"); so whenever a node begins with an empty log it draws a new one.
 */
import type { Buffer } from 'node:buffer';
import { type PeerId, peerIdOf } from '../../consensus/index.ts';
import { type NodeId, nodeIdOf, type Random } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

const lifeBytes = 6;

export function drawReplicaName(node: NodeId, random: Random): PeerId {
  const life: Buffer = random.bytes(lifeBytes);
  return peerIdOf(`${node}/${life.toString('hex')}`);
}

export function nodeOfReplica(replica: PeerId): NodeId {
  const end = replica.lastIndexOf('/');
  assert(end > 0, 'a replica is named after its node');
  return nodeIdOf(replica.slice(0, end));
}
