/** `hale ring risk` and `hale aae status`. */
import type { RiskView } from '../server/index.ts';
import { adminGet } from './admin-request.ts';
import { countText, spanText } from './quantity-text.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface RiskOptions {
  readonly at: string;
  readonly json: boolean;
  readonly failures: string;
  readonly unit: string;
  readonly replicas: string | undefined;
}

export async function showRisk(terminal: Terminal, options: RiskOptions): Promise<void> {
  const query = new URLSearchParams({ failures: options.failures, unit: options.unit });
  if (options.replicas !== undefined) query.set('n', options.replicas);
  const risk = await adminGet<RiskView>(options.at, `ring/risk?${query.toString()}`);
  terminal.out(options.json ? `${JSON.stringify(risk, undefined, 2)}\n` : riskText(risk));
}

const worstShownMax = 10;

function riskText(risk: RiskView): string {
  const { sets, failures, unit, replicas } = risk;
  const share = (part: number) => (sets === 0 ? '' : `${((100 * part) / sets).toFixed(2)}%`);
  const summary = table([
    ['replica sets', `${risk.replica_sets}`, ''],
    [`sets of ${countText(failures, unit)}`, `${sets}`, ''],
    [
      `that lose all ${replicas} replicas of something`,
      `${risk.sets_losing_all}`,
      share(risk.sets_losing_all),
    ],
    ['that lose a quorum of something', `${risk.sets_losing_quorum}`, share(risk.sets_losing_quorum)],
  ]);
  const worst = risk.worst
    .slice(0, worstShownMax)
    .map((set) => [
      `  ${set.units.join(' + ')}`,
      `all replicas of ${countText(set.lists_losing_all, 'preference list')}`,
      `a quorum of ${set.lists_losing_quorum}`,
    ]);
  return worst.length === 0 ? summary : `${summary}\nworst:\n${table(worst)}`;
}

interface AntiEntropyView {
  readonly isActive: boolean;
  readonly partitions: readonly { readonly state: string; readonly objects: number }[];
  readonly exchanges: readonly {
    readonly peer: string;
    readonly comparedAgoMs?: number;
    readonly isRunning: boolean;
    readonly keysRepaired: number;
  }[];
  readonly totals: Readonly<Record<string, number>>;
}

export async function showAntiEntropy(
  terminal: Terminal,
  { at, json }: { at: string; json: boolean },
): Promise<void> {
  const view = await adminGet<AntiEntropyView>(at, 'aae/status');
  terminal.out(json ? `${JSON.stringify(view, undefined, 2)}\n` : antiEntropyText(view));
}

function antiEntropyText({ isActive, partitions, exchanges, totals }: AntiEntropyView): string {
  const building = partitions.filter(({ state }) => state === 'building').length;
  const objects = partitions.reduce((sum, each) => sum + each.objects, 0);
  const summary = table([
    ['anti-entropy', isActive ? 'active' : 'passive'],
    ['partitions', `${partitions.length}, ${building} with trees being built`],
    ['objects in trees', `${objects}`],
    ...Object.entries(totals).map(([name, count]) => [words(name), `${count}`]),
  ]);
  const peers = [...new Set(exchanges.map(({ peer }) => peer))].sort();
  const rows = peers.map((peer) => {
    const own = exchanges.filter((exchange) => exchange.peer === peer);
    const never = own.filter(({ comparedAgoMs }) => comparedAgoMs === undefined).length;
    const oldest = Math.max(0, ...own.map(({ comparedAgoMs }) => comparedAgoMs ?? 0));
    return [
      peer,
      `${own.length}`,
      `${own.filter(({ isRunning }) => isRunning).length}`,
      `${never}`,
      spanText(oldest / 1000),
      `${own.reduce((sum, { keysRepaired }) => sum + keysRepaired, 0)}`,
    ];
  });
  if (rows.length === 0) return summary;
  const head = ['peer', 'replica pairs', 'running', 'never compared', 'longest ago', 'keys repaired'];
  return `${summary}\n${table([head, ...rows])}`;
}

/** `keysListed` → `keys listed`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
