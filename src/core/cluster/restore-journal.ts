/**
 * What a start makes of the journal: a node that knows who it is and what it followed, or one that knows that it
 * does not. Damage costs what it must and no more (J4):
 *
 * | lost | then |
 * |---|---|
 * | a record of the replica | the replica is gone; the node follows, and may become a voter under another name |
 * | a record of the followed state | the state is stale: the node catches up before it serves |
 * | either, in a cluster of one | the log goes on in a new generation, from what is left |
 * | the same, and other members are named by what does not add up | the node does not start: it was not alone |
 * | all of the state, or the identity | the node does not start: it would not be who it was |
 */
import type { NodeId, Random } from '../../environment/index.ts';
import { type ClusterState, recovered } from '../topology/index.ts';
import { AgreedState } from './agreed-state.ts';
import { drawId, groupOfOne } from './founding.ts';
import type { JournalContents } from './journal-contents.ts';
import type { JournalRecord, StoredIdentity } from './journal-record.ts';
import type { LogJournal } from './log-journal.ts';

export class ClusterOpenError extends Error {
  override readonly name = 'ClusterOpenError';
  readonly code: 'other-node' | 'ring-size' | 'damaged';
  constructor(code: ClusterOpenError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface RestoredJournal {
  readonly identity: StoredIdentity;
  /** To be written before anything else; undefined: this is a fresh directory, and a cluster is to be founded. */
  readonly records: readonly JournalRecord[] | undefined;
  /** The node must catch up before it serves. */
  readonly isStale: boolean;
}

export function restoreJournal(
  { contents }: LogJournal,
  { self, ringSize, random }: { readonly self: NodeId; readonly ringSize: number; readonly random: Random },
): RestoredJournal {
  const { identity } = contents;
  if (identity === undefined) {
    if (!contents.isFresh) throw damaged('which node this directory belongs to');
    const fresh = { node: self, instance: drawId(random), clusterId: drawId(random), isRemoved: false };
    return { identity: fresh, records: undefined, isStale: false };
  }
  if (identity.node !== self) {
    throw new ClusterOpenError('other-node', `the data belongs to node ${identity.node}, not ${self}`);
  }
  const state = contents.state ?? agreedOf(contents)?.cluster;
  if (state === undefined) throw damaged('the members of the cluster');
  if (state.clusterId !== identity.clusterId) throw damaged('which cluster this node belongs to');
  if (state.owners.length !== ringSize) {
    throw new ClusterOpenError(
      'ring-size',
      `the ring of the cluster has ${state.owners.length} partitions, and ring_size is ${ringSize}; it is fixed`,
    );
  }
  return { identity, ...restoreParts(contents, state, identity, random) };
}

function restoreParts(
  contents: JournalContents,
  state: ClusterState,
  identity: StoredIdentity,
  random: Random,
): Pick<RestoredJournal, 'records' | 'isStale'> {
  const self: JournalRecord = { kind: 'identity', identity };
  const { isStateWhole, isReplicaWhole, replica } = contents;
  if (identity.isRemoved) return { records: [self], isStale: false };
  const isAlone = state.members.size === 1;
  if (isAlone && !isReplicaWhole) {
    if (contents.namesOthers(identity.node)) throw damaged('the members of the cluster');
    // Nobody else has the log, and nobody else followed it.
    const next = recovered(state, new Set([identity.node]));
    const records: JournalRecord[] = [self, { kind: 'state', state: next }];
    return { records: [...records, ...groupOfOne(next, identity.node, random)], isStale: false };
  }
  const records: JournalRecord[] = [self];
  // What the state may have missed is not hidden by writing it anew: only catching up makes it whole.
  const isStale = !isStateWhole || contents.state === undefined;
  if (contents.state === undefined) records.push({ kind: 'state', state });
  const isOfOldGroup = replica !== undefined && replica.stored.generation < state.generation;
  if (!isReplicaWhole || isOfOldGroup) records.push({ kind: 'no-replica' });
  return { records, isStale };
}

function agreedOf({ replica, isReplicaWhole }: JournalContents): AgreedState | undefined {
  if (replica === undefined || !isReplicaWhole || replica.stored.agreed.length === 0) return undefined;
  return AgreedState.decode(replica.stored.agreed);
}

function damaged(what: string): ClusterOpenError {
  return new ClusterOpenError(
    'damaged',
    `the journal of the cluster is damaged, and does not say ${what}; move the data directory away and take ` +
      "this node's place by force-replace",
  );
}
