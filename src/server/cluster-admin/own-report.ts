/** Gathers what this node reports of itself. */
import type { Partition, TransferStatus } from '../../core/index.ts';
import { DiskError, type Environment } from '../../environment/index.ts';
import { partitionRange } from '../../kv/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import type { ClusteredDatabase } from '../clustered-database.ts';
import { type NodeReport, type ReportedTransfer, transfersReportedMax } from './node-report.ts';

export interface OwnReportParts {
  readonly environment: Pick<Environment, 'disk'>;
  readonly database: Pick<ClusteredDatabase, 'cluster' | 'transfers' | 'store'>;
  readonly engine: Pick<StorageEngine, 'sizeEstimate'>;
  readonly version: string;
}

const lastErrorLengthMax = 300;

/** Never rejects for a sick disk: what cannot be known is left out. */
export async function ownReport(parts: OwnReportParts, wantsSizes: boolean): Promise<NodeReport> {
  const { cluster, transfers, store } = parts.database;
  const { generation, epoch } = cluster.log.state;
  const all = transfers.transfers();
  return {
    version: parts.version,
    generation,
    epoch,
    freeBytes: await freeBytes(parts),
    strayPartitions: transfers.strayPartitions().length,
    strayBytes: Math.max(0, Math.round(store.strays.total)),
    transfers: all.slice(0, transfersReportedMax).map(reported),
    transfersUnlisted: Math.max(0, all.length - transfersReportedMax),
    partitionBytes: wantsSizes ? await partitionSizes(parts) : new Map(),
  };
}

function reported(status: TransferStatus): ReportedTransfer {
  const { direction, purpose, partition, peer, failures, lastError } = status;
  return {
    direction,
    purpose,
    partition,
    peer,
    isRunning: status.state === 'running',
    bytes: Math.round(status.bytes),
    bytesTotal: whole(status.bytesTotal),
    bytesPerSecond: whole(status.bytesPerSecond),
    secondsLeft: whole(status.secondsLeft),
    failures,
    lastError: lastError?.slice(0, lastErrorLengthMax),
  };
}

function whole(value: number | undefined): number | undefined {
  return value === undefined || !Number.isFinite(value) ? undefined : Math.max(0, Math.round(value));
}

async function freeBytes({ environment }: OwnReportParts): Promise<number | undefined> {
  try {
    return whole(await environment.disk.freeBytes());
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return undefined;
  }
}

/** Of the partitions that this node owns. */
async function partitionSizes({ database, engine }: OwnReportParts): Promise<Map<Partition, number>> {
  const { self, ring } = database.cluster.topology;
  const sizes = new Map<Partition, number>();
  for (const partition of ring.partitionsOf(self)) {
    try {
      sizes.set(partition, Math.max(0, Math.round(await engine.sizeEstimate(partitionRange(partition)))));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
  return sizes;
}
