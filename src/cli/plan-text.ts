/** A plan for people: who, what moves, how long, what it leaves at risk, and why not. */
import type { OverviewView, PlanView } from '../server/index.ts';
import { bytesText, countText, spanText } from './quantity-text.ts';
import { table } from './table.ts';

type Staged = OverviewView['staged'][number];

export function changeText(change: Staged): string {
  switch (change.kind) {
    case 'replace':
    case 'force-replace':
      return `${change.kind} ${change.node} by ${change.by}`;
    case 'location':
      return `location of ${change.node}: ${change.location ?? 'the host of its name'}`;
    default:
      return `${change.kind} ${change.node}`;
  }
}

export function planText(plan: PlanView): string {
  const parts = [
    `plan ${plan.plan_id}\n`,
    section('changes', plan.changes.map(changeText)),
    nodesText(plan),
    movesText(plan),
    section('replicas', replicaLines(plan)),
    section('warnings', plan.warnings),
    section('refused unless forced', plan.problems),
    plan.problems.length === 0 ? `commit it with: hale cluster commit --plan ${plan.plan_id}\n` : '',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : table([[`${title}:`], ...lines.map((line) => [`  ${line}`])]);
}

function nodesText({ nodes }: PlanView): string {
  const rows = nodes.map((node) => [
    `  ${node.node}`,
    node.before === node.after ? node.after : `${node.before} -> ${node.after}`,
    node.location,
    `${node.partitions_before} -> ${node.partitions_after}`,
    `in ${node.moves_in} (${bytesText(node.bytes_in)})`,
    `out ${node.moves_out} (${bytesText(node.bytes_out)})`,
  ]);
  return table([['  node', 'status', 'location', 'partitions', 'receives', 'sends'], ...rows]);
}

function movesText({ moves, moves_min, bytes, seconds }: PlanView): string {
  if (moves.length === 0) return 'nothing moves\n';
  const size = bytes === 0 ? 'less than storage has counted yet' : bytesText(bytes);
  const time = seconds < 1 ? 'moments' : `about ${spanText(seconds)}`;
  const subject = moves.length === 1 ? '1 partition moves' : `${moves.length} partitions move`;
  return `${subject} (the fewest that balance takes: ${moves_min}), ${size}, ${time}\n`;
}

function replicaLines({ same_node, same_location, two_failures }: PlanView): readonly string[] {
  const lines = [lackText(same_node.count, 'nodes'), lackText(same_location.count, 'locations')];
  if (two_failures !== null && two_failures.pairs > 0) {
    const { pairs, pairs_losing_all, pairs_losing_quorum, replicas } = two_failures;
    lines.push(
      `two failed nodes: of ${countText(pairs, 'pair')}, ${pairs_losing_all} would take all ${replicas} replicas of something, ${pairs_losing_quorum} a quorum`,
    );
  }
  return lines;
}

function lackText(count: number, what: string): string {
  return `${countText(count, 'preference list')} ${count === 1 ? 'lacks' : 'lack'} distinct ${what}`;
}
