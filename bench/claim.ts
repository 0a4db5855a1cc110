/** What does a claim move, what does it leave wrong, and how long does it hold the event loop? */

import { assessRing, claimOwners, movesBetween, movesMin, type RingNode } from '../src/core/ring/index.ts';
import { type NodeId, nodeIdOf } from '../src/environment/index.ts';

const targetN = 4;

interface Series {
  readonly title: string;
  readonly size: number;
  /** Numbers of nodes, one plan after the other. */
  readonly counts: readonly number[];
  readonly locations?: number;
}

const series: readonly Series[] = [
  { title: 'joins one by one, 1 → 200', size: 1024, counts: range(1, 200, 1) },
  { title: 'leaves one by one, 200 → 6', size: 1024, counts: range(200, 6, -1) },
  { title: 'joins one by one, 1 → 60', size: 256, counts: range(1, 60, 1) },
  { title: 'joins by three into three racks, 3 → 60', size: 256, counts: range(3, 60, 3), locations: 3 },
  { title: 'joins one by one into three racks, 3 → 60', size: 256, counts: range(3, 60, 1), locations: 3 },
  { title: 'joins one by one into six racks, 6 → 60', size: 256, counts: range(6, 60, 1), locations: 6 },
  { title: 'a cluster of 12, founded at once', size: 256, counts: [12] },
  { title: 'a cluster of 200, founded at once', size: 1024, counts: [200] },
];

/** Milliseconds are of this thread's processor, so that a busy machine does not change them much. */
export function measureClaim(): string {
  const heading =
    '| Q | plans | moves | fewest | of them with nodes > 4 | same node | same location, n=3 | replica sets, n=3 | ms, median | ms, most |';
  const rule = '|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|';
  return [heading, rule, ...series.map(rowOf)].join('\n');
}

function rowOf({ title, size, counts, locations }: Series): string {
  const first = nodesUpTo(counts[0], locations);
  let owners: readonly NodeId[] = new Array<NodeId>(size).fill(first[0].node);
  const total = { moves: 0, fewest: 0, movesBeyondFour: 0, fewestBeyondFour: 0, sameNode: 0 };
  const times: number[] = [];
  let last = assessRing(owners, first, 3);
  for (const count of counts) {
    const nodes = nodesUpTo(count, locations);
    const before = process.cpuUsage();
    const after = claimOwners({ owners, nodes, targetN });
    times.push(process.cpuUsage(before).user / 1000);
    const moves = movesBetween(owners, after).length;
    const names = nodes.map(({ node }) => node);
    const fewest = movesMin(owners, names);
    total.moves += moves;
    total.fewest += fewest;
    if (count > targetN) {
      total.movesBeyondFour += moves;
      total.fewestBeyondFour += fewest;
      total.sameNode += assessRing(after, nodes, targetN).sameNode.count;
    }
    last = assessRing(after, nodes, 3);
    owners = after;
  }
  times.sort((a, b) => a - b);
  const inLocations = locations === undefined ? '' : String(last.sameLocation.count);
  const cells = [
    size,
    title,
    total.moves,
    total.fewest,
    `${total.movesBeyondFour} of ${total.fewestBeyondFour}`,
  ];
  const found = [total.sameNode, inLocations, last.replicaSets];
  const spent = [times[Math.floor(times.length / 2)].toFixed(0), (times.at(-1) ?? 0).toFixed(0)];
  return `| ${[...cells, ...found, ...spent].join(' | ')} |`;
}

function nodesUpTo(count: number, locations: number | undefined): RingNode[] {
  return Array.from({ length: count }, (_, index) => ({
    node: nodeIdOf(`n${index}@host`),
    location: locations === undefined ? undefined : `rack${index % locations}`,
  }));
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
}
