import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type Entry, type Membership, membershipOf, peerIdOf } from '../../consensus/index.ts';
import { nodeIdOf, type Random } from '../../environment/index.ts';
import { type ClusterCommand, encodeCommand, foundCluster } from '../topology/index.ts';
import { memberOf } from '../topology/topology.fixture.ts';
import { groupOfOne } from './founding.ts';
import { JournalContents } from './journal-contents.ts';
import type { JournalRecord } from './journal-record.ts';
import type { LogJournal } from './log-journal.ts';
import { encodeProposal } from './proposal.ts';
import { ClusterOpenError, restoreJournal } from './restore-journal.ts';

const self = nodeIdOf('a@h');
const other = nodeIdOf('b@h');
const random: Random = { fraction: () => 0.5, u32: () => 7, bytes: (count) => Buffer.alloc(count, 7) };
const state = foundCluster({ clusterId: 'c', member: memberOf(self), ringSize: 8, targetN: 3 });
const admit: ClusterCommand = { kind: 'admit', member: memberOf(other) };
const expel: ClusterCommand = { kind: 'expel', node: other };
const clear: ClusterCommand = { kind: 'clear' };

function recordOf(command: ClusterCommand, epochsAfter: number): JournalRecord {
  const at = { generation: state.generation, epoch: state.epoch + epochsAfter };
  return { kind: 'command', at, command: encodeCommand(command) };
}

function logOf(commands: readonly ClusterCommand[]): JournalRecord {
  const madeAt = { generation: state.generation, epoch: state.epoch };
  const entries = commands.map((command, i): Entry => {
    const proposal = { proposer: self, life: '00', number: i, madeAt, command: encodeCommand(command) };
    return { kind: 'command', index: i + 2, term: 1, bytes: encodeProposal(proposal) };
  });
  return { kind: 'log', write: { hardState: undefined, entries } };
}

/** The journal of a founder of which a record has rotted, wherever it was, before or between `records`. */
function founderWith(...records: readonly (JournalRecord | 'rot')[]): JournalContents {
  const contents = new JournalContents();
  const identity = { node: self, instance: 'i', clusterId: 'c', isRemoved: false };
  const founding: JournalRecord[] = [
    { kind: 'identity', identity },
    { kind: 'state', state },
  ];
  for (const record of [...founding, ...groupOfOne(state, self, random), ...records]) {
    if (record === 'rot') contents.lost();
    else contents.add(record);
  }
  return contents;
}

function restored(contents: JournalContents): 'alone' | 'refused' {
  try {
    const journal: Pick<LogJournal, 'contents'> = { contents };
    const { records } = restoreJournal(journal as LogJournal, { self, ringSize: 8, random });
    assert.ok(records?.some((record) => record.kind === 'replica'));
    return 'alone';
  } catch (error) {
    assert.ok(error instanceof ClusterOpenError && error.code === 'damaged', String(error));
    return 'refused';
  }
}

test('J4: a founder whose journal is damaged goes on alone only if nothing in it names another member', () => {
  assert.equal(restored(founderWith('rot', recordOf(clear, 2))), 'alone');
  // What was to be folded before it has rotted.
  assert.equal(restored(founderWith('rot', recordOf(admit, 2))), 'refused');
  assert.equal(
    restored(founderWith('rot', recordOf(admit, 2), recordOf(expel, 3))),
    'alone',
    'it left again',
  );
  // It has rotted itself, and stands in the log.
  assert.equal(restored(founderWith(logOf([admit]), 'rot', recordOf(clear, 2))), 'refused');
  assert.equal(restored(founderWith(logOf([admit, expel]), 'rot', recordOf(clear, 3))), 'alone');
  // It has come and gone, as the state knows: it was removed by a plan, which names nobody.
  const gone = { ...state, epoch: state.epoch + 4 };
  const removed: JournalRecord = { kind: 'state', state: gone };
  assert.equal(restored(founderWith(logOf([admit, clear, clear, clear]), removed, 'rot')), 'alone');
  assert.equal(restored(founderWith(logOf([clear, clear, clear, clear, admit]), removed, 'rot')), 'refused');
  const alone = membershipOf([peerIdOf('a@h/00')]);
  const together = membershipOf(['a@h/00', 'b@h/00'].map(peerIdOf));
  const vote = (membership: Membership, index: number): JournalRecord => ({
    kind: 'log',
    write: { hardState: undefined, entries: [{ kind: 'membership', index, term: 1, membership }] },
  });
  assert.equal(restored(founderWith(vote(together, 2), 'rot')), 'refused');
  assert.equal(restored(founderWith(vote(together, 2), vote(alone, 3), 'rot')), 'alone');
});
