/** What people should know before they commit a plan, in words. */
import type { Plan } from './plan.ts';

/** Moves beyond the minimum that are worth a word, as a factor. */
const movesToMinimumMax = 1.1;

export function planWarnings(plan: Omit<Plan, 'warnings'>, targetN: number): readonly string[] {
  return [
    ...nodeWarnings(plan, targetN),
    ...placementWarnings(plan, targetN),
    ...moveWarnings(plan),
    ...riskWarnings(plan),
  ];
}

function nodeWarnings({ nodes }: Omit<Plan, 'warnings'>, targetN: number): string[] {
  const able = nodes.filter(({ after }) => after === 'valid' || after === 'down');
  const warnings: string[] = [];
  if (able.length < targetN) {
    warnings.push(`${able.length} nodes for target_n_val ${targetN}: replicas of a key share nodes`);
  }
  for (const { node, after } of able) {
    if (after === 'down') warnings.push(`${node} is down: it keeps what it owns and gets nothing`);
  }
  const counts = able.map(({ partitionsAfter }) => partitionsAfter);
  const imbalance = Math.max(...counts) - Math.min(...counts);
  if (imbalance > 1) warnings.push(`the ring is out of balance by ${imbalance} partitions`);
  return warnings;
}

function placementWarnings({ nodes, ...plan }: Omit<Plan, 'warnings'>, targetN: number): string[] {
  const warnings: string[] = [];
  if (plan.sameNode.count > 0) {
    warnings.push(`${plan.sameNode.count} preference lists of ${targetN} lack distinct nodes`);
  }
  // One location for all says that nobody thinks in locations.
  const locations = new Set(nodes.filter(({ after }) => after !== 'gone').map(({ location }) => location));
  if (locations.size > 1 && plan.sameLocation.count > 0) {
    warnings.push(`${plan.sameLocation.count} preference lists of ${targetN} lack distinct locations`);
  }
  return warnings;
}

function moveWarnings({ moves, movesMin }: Omit<Plan, 'warnings'>): string[] {
  const warnings: string[] = [];
  const unknown = moves.filter(({ bytes }) => bytes === null).length;
  if (unknown > 0) warnings.push(`the size of ${unknown} partitions that move is not known`);
  if (moves.length > movesToMinimumMax * movesMin) {
    warnings.push(`${moves.length} partitions move, where balance alone takes ${movesMin}`);
  }
  const rebuilt = moves.filter(({ from }) => from === null).length;
  if (rebuilt > 0) warnings.push(`${rebuilt} partitions are rebuilt from their other replicas`);
  return warnings;
}

function riskWarnings({ risk }: Omit<Plan, 'warnings'>): string[] {
  if (risk === null || risk.pairsLosingAll === 0) return [];
  const lists = `all replicas of up to ${risk.worstLosingAll} preference lists of ${risk.replicas}`;
  return [`${risk.pairsLosingAll} of ${risk.pairs} pairs of nodes hold ${lists}`];
}
