/** The cluster for people: overview, members, ring, transfers; and in one line each (`…Line`), for who reads a log. */
import type { MemberView, OverviewView, RingView, TransfersView, TransferView } from '../server/index.ts';
import { changeText } from './plan-text.ts';
import { bytesText, countText, progressBar, spanText } from './quantity-text.ts';
import { table } from './table.ts';

export function overviewText(view: OverviewView): string {
  const { moves } = view;
  const moving = moves.planned + moves.copying + moves.switched + moves.released;
  const rows = [
    ['cluster', view.cluster_id],
    ['asked', `${view.node} (${view.role})`],
    ['epoch', `${view.generation}.${view.epoch}`],
    ['leader', view.leader ?? 'none'],
    ...(view.voters.length === 0 ? [] : [['voters', view.voters.join(', ')]]),
    ['ring', `${view.ring_size} partitions, replicas kept apart: ${view.target_n_val}`],
    ['moving', moving === 0 ? 'nothing' : `${countText(moving, 'partition')} (${moves.copying} copying)`],
    ['staged', view.staged.length === 0 ? 'nothing' : view.staged.map(changeText).join('; ')],
    ['health', view.problems.length === 0 ? 'healthy' : view.problems.join('; ')],
  ];
  return `${table(rows)}\n${membersText(view.members, view.ring_size)}`;
}

export function overviewLine(view: OverviewView): string {
  const { moves } = view;
  const moving = moves.planned + moves.copying + moves.switched + moves.released;
  const parts = [
    `epoch ${view.generation}.${view.epoch}`,
    membersLine(view.members),
    `moving ${moving}`,
    `staged ${view.staged.length}`,
    view.problems.length === 0 ? 'healthy' : view.problems.join('; '),
  ];
  return parts.join('  ');
}

export function membersText(members: readonly MemberView[], ringSize: number): string {
  const rows = members.map((member) => [
    member.node,
    member.status,
    reachabilityText(member),
    `${((100 * member.partitions) / ringSize).toFixed(1)}%`,
    member.partitions === member.partitions_next
      ? `${member.partitions}`
      : `${member.partitions} -> ${member.partitions_next}`,
    member.location,
    member.address,
    member.free_bytes === null ? '' : `${bytesText(member.free_bytes)} free`,
    member.has_strays ? "holds others' data" : '',
  ]);
  return table([['node', 'status', 'seen', 'ring', 'partitions', 'location', 'address'], ...rows]);
}

function reachabilityText({ reachability }: MemberView): string {
  return reachability === 'alive' ? 'up' : reachability === 'suspect' ? 'slow' : 'unreachable';
}

export function membersLine(members: readonly MemberView[]): string {
  const texts = members.map((member) => {
    const seen = member.reachability === 'dead' ? ' unreachable' : '';
    return `${member.node} ${member.status}${seen} ${member.partitions}`;
  });
  return texts.join(', ');
}

/** Partitions in a row with the same owner and no move take one line. */
export function ringText({ partitions, ring_size, generation, epoch }: RingView): string {
  const rows: string[][] = [];
  let first = 0;
  for (const [index, one] of partitions.entries()) {
    const next = partitions[index + 1];
    if (one.move === undefined && next?.move === undefined && next?.owner === one.owner) continue;
    const range = first === index ? `${first}` : `${first}-${index}`;
    const move = one.move;
    rows.push([
      range,
      one.owner,
      ...(move === undefined ? [] : [`${move.stage} -> ${move.to}${move.from === null ? ' (rebuilt)' : ''}`]),
    ]);
    first = index + 1;
  }
  return `${ring_size} partitions, epoch ${generation}.${epoch}\n${table(rows)}`;
}

export function ringLine({ partitions, generation, epoch }: RingView): string {
  const moving = partitions.filter(({ move }) => move !== undefined).length;
  const owners = new Set(partitions.map(({ owner }) => owner)).size;
  return `epoch ${generation}.${epoch}  owners ${owners}  moving ${moving}`;
}

/** `movesTotal`: of the plan, where it is known; it makes the overall bar. */
export function transfersText(view: TransfersView, movesTotal: number): string {
  const { moves, strays, unanswered, unlisted } = view;
  const total = Math.max(movesTotal, moves.length);
  const overall =
    moves.length === 0
      ? 'no partition moves'
      : `moves  ${progressBar(total - moves.length, total)}  ${moves.length} of ${total} to go`;
  const notes = [
    ...(unlisted > 0 ? [`and ${countText(unlisted, 'more transfer')}`] : []),
    ...strays.map(
      ({ node, partitions, bytes }) =>
        `${node} holds data of others in ${countText(partitions, 'partition')}, ${bytesText(bytes)}`,
    ),
    ...unanswered.map((node) => `${node} does not answer: its transfers are not known`),
  ];
  const rows = shownTransfers(view).map(transferRow);
  return table([[overall]]) + table(rows) + table(notes.map((note) => [note]));
}

/** Both ends report a transfer; the sender knows more. */
function shownTransfers({ transfers }: TransfersView): readonly TransferView[] {
  const sent = new Set(
    transfers.filter(({ direction }) => direction === 'out').map((t) => `${t.partition} ${t.peer} ${t.node}`),
  );
  return transfers.filter((t) => t.direction === 'out' || !sent.has(`${t.partition} ${t.node} ${t.peer}`));
}

function transferRow(transfer: TransferView): readonly string[] {
  const { direction, node, peer, bytes, bytes_total } = transfer;
  const way = direction === 'out' ? `${node} -> ${peer}` : `${peer} -> ${node}`;
  if (transfer.state === 'waiting') {
    const why =
      transfer.failures === 0
        ? 'waits for its turn'
        : `failed ${countText(transfer.failures, 'time')}: ${transfer.last_error ?? ''}`;
    return [transfer.purpose, `${transfer.partition}`, way, why];
  }
  const amount =
    bytes_total === null ? bytesText(bytes) : `${bytesText(bytes)} of about ${bytesText(bytes_total)}`;
  return [
    transfer.purpose,
    `${transfer.partition}`,
    way,
    bytes_total === null ? '' : progressBar(bytes, bytes_total),
    amount,
    transfer.bytes_per_second === null ? '' : `${bytesText(transfer.bytes_per_second)}/s`,
    transfer.seconds_left === null ? '' : `${spanText(transfer.seconds_left)} left`,
  ];
}

export function transfersLine(view: TransfersView): string {
  const shown = shownTransfers(view);
  const running = shown.filter(({ state }) => state === 'running').length;
  const rate = shown.reduce((sum, { bytes_per_second }) => sum + (bytes_per_second ?? 0), 0);
  const strays = view.strays.reduce((sum, { partitions }) => sum + partitions, 0);
  const parts = [
    `moving ${view.moves.length}`,
    `transfers ${running} running, ${shown.length - running} waiting`,
    `${bytesText(rate)}/s`,
    `partitions with strays ${strays}`,
  ];
  if (view.unanswered.length > 0) parts.push(`unanswered ${view.unanswered.join(', ')}`);
  return parts.join('  ');
}
