/** What `hale aae status` shows. Times are milliseconds ago. */
import type { Partition } from '../../core/ring/index.ts';
import type { NodeId } from '../../environment/index.ts';
import type { ExchangeOutcome } from './exchange-schedule.ts';
import type { ExchangeTotals } from './run-exchange.ts';
import type { UpkeepTotals } from './tree-upkeep.ts';

export interface PartitionTreesStatus {
  readonly partition: Partition;
  readonly state: 'built' | 'building';
  /** Objects in its trees. */
  readonly objects: number;
  /** When the trees were last made from the objects, or compared with them; undefined: not since the start. */
  readonly checkedAgoMs: number | undefined;
}

/** Two replicas of a preference list, of which this node is the one that asks. */
export interface ExchangeStatus {
  readonly first: Partition;
  readonly nVal: number;
  readonly partition: Partition;
  readonly peer: NodeId;
  readonly peerPartition: Partition;
  /** Undefined: never since the start. */
  readonly comparedAgoMs: number | undefined;
  readonly outcome: ExchangeOutcome['kind'] | undefined;
  readonly isRunning: boolean;
  readonly keysRepaired: number;
}

export interface AntiEntropyStatus {
  readonly isActive: boolean;
  readonly partitions: readonly PartitionTreesStatus[];
  readonly exchanges: readonly ExchangeStatus[];
  readonly totals: Readonly<ExchangeTotals> & Readonly<UpkeepTotals>;
}
