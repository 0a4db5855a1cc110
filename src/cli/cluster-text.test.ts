import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemberView, PlanView, RingView, TransfersView, TransferView } from '../server/index.ts';
import { membersText, ringLine, ringText, transfersLine, transfersText } from './cluster-text.ts';
import { planText } from './plan-text.ts';

const member: MemberView = {
  node: 'a@h',
  status: 'valid',
  reachability: 'alive',
  location: 'h',
  address: '127.0.0.1:8099',
  http: null,
  protobuf: null,
  partitions: 6,
  partitions_next: 4,
  has_strays: true,
  version: '1',
  epoch: 3,
  free_bytes: 1024,
  stray_bytes: 0,
};

test('a member: its share of the ring, where that is going, and what it holds of others', () => {
  const away = { ...member, node: 'b@h', reachability: 'dead', free_bytes: null, has_strays: false } as const;
  assert.deepEqual(membersText([member, away], 8).split('\n').slice(1), [
    "a@h   valid   up           75.0%  6 -> 4      h         127.0.0.1:8099  1.0 kB free  holds others' data",
    'b@h   valid   unreachable  75.0%  6 -> 4      h         127.0.0.1:8099',
    '',
  ]);
});

test('a ring: neighbours with one owner take one line, those that move a line each', () => {
  const owned = (partition: number, owner: string) => ({ partition, owner, owned_since: 1 });
  const move = { from: 'b@h', to: 'a@h', stage: 'copying' } as const;
  const view: RingView = {
    generation: 1,
    epoch: 9,
    ring_size: 5,
    partitions: [
      owned(0, 'a@h'),
      owned(1, 'a@h'),
      { ...owned(2, 'b@h'), move },
      { ...owned(3, 'b@h'), move: { ...move, from: null } },
      owned(4, 'b@h'),
    ],
  };
  assert.equal(
    ringText(view),
    [
      '5 partitions, epoch 1.9',
      '0-1  a@h',
      '2    b@h  copying -> a@h',
      '3    b@h  copying -> a@h (rebuilt)',
      '4    b@h',
      '',
    ].join('\n'),
  );
  assert.equal(ringLine(view), 'epoch 1.9  owners 2  moving 2');
});

const transfer: TransferView = {
  node: 'a@h',
  direction: 'out',
  purpose: 'move',
  partition: 7,
  peer: 'b@h',
  state: 'running',
  bytes: 1024,
  bytes_total: 4096,
  bytes_per_second: 1024,
  seconds_left: 3,
  failures: 0,
  last_error: null,
};

test('transfers: each once, as its sender tells; what failed says how often and why', () => {
  const view: TransfersView = {
    epoch: 4,
    moves: [{ partition: 7, from: 'a@h', to: 'b@h', stage: 'copying' }],
    transfers: [
      transfer,
      { ...transfer, node: 'b@h', peer: 'a@h', direction: 'in', bytes_total: null },
      { ...transfer, partition: 8, state: 'waiting', failures: 2, last_error: 'full' },
    ],
    unlisted: 1,
    strays: [{ node: 'a@h', partitions: 1, bytes: 2048 }],
    unanswered: ['c@h'],
  };
  assert.deepEqual(transfersText(view, 4).split('\n'), [
    'moves  [###############     ]  75%  1 of 4 to go',
    'move  7  a@h -> b@h  [#####               ]  25%  1.0 kB of about 4.0 kB  1.0 kB/s  3s left',
    'move  8  a@h -> b@h  failed 2 times: full',
    'and 1 more transfer',
    'a@h holds data of others in 1 partition, 2.0 kB',
    'c@h does not answer: its transfers are not known',
    '',
  ]);
  assert.equal(
    transfersLine(view),
    'moving 1  transfers 1 running, 1 waiting  2.0 kB/s  partitions with strays 1  unanswered c@h',
  );
});

test('a plan: what changes and moves, what is left at risk, and why not', () => {
  const plan: PlanView = {
    plan_id: '1.9',
    changes: [{ kind: 'replace', node: 'a@h', by: 'b@h' }] as unknown as PlanView['changes'],
    nodes: [
      {
        node: 'a@h',
        location: 'h',
        before: 'valid',
        after: 'leaving',
        partitions_before: 8,
        partitions_after: 0,
        moves_in: 0,
        moves_out: 8,
        bytes_in: 0,
        bytes_out: 2048,
      },
    ],
    moves: Array.from({ length: 8 }, (_, partition) => ({ partition, from: 'a@h', to: 'b@h', bytes: 256 })),
    moves_min: 8,
    bytes: 2048,
    seconds: 61,
    same_node: { count: 8, partitions: [] },
    same_location: { count: 1, partitions: [] },
    two_failures: { replicas: 3, pairs: 1, pairs_losing_all: 1, pairs_losing_quorum: 1, worst_losing_all: 8 },
    warnings: [],
    problems: ['c@h cannot be reached'],
  };
  assert.deepEqual(planText(plan).split('\n'), [
    'plan 1.9',
    '',
    'changes:',
    '  replace a@h by b@h',
    '',
    '  node  status            location  partitions  receives    sends',
    '  a@h   valid -> leaving  h         8 -> 0      in 0 (0 B)  out 8 (2.0 kB)',
    '',
    '8 partitions move (the fewest that balance takes: 8), 2.0 kB, about 1m 1s',
    '',
    'replicas:',
    '  8 preference lists lack distinct nodes',
    '  1 preference list lacks distinct locations',
    '  two failed nodes: of 1 pair, 1 would take all 3 replicas of something, 1 a quorum',
    '',
    'refused unless forced:',
    '  c@h cannot be reached',
    '',
  ]);
  assert.match(planText({ ...plan, problems: [] }), /commit it with: hale cluster commit --plan 1\.9\n$/);
});
