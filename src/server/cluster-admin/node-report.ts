/**
 * What a node says of itself to whoever plans or shows the cluster: facts that neither the cluster log nor liveness
 * carries, since they change all the time and nobody needs to agree on them.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';

/** Of transfers that one report lists; the others are counted. */
export const transfersReportedMax = 256;

export const transferPurposes = ['move', 'rebuild', 'stray'] as const;

/** Numbers are whole; undefined where nobody knows. */
export interface ReportedTransfer {
  readonly direction: 'out' | 'in';
  readonly purpose: (typeof transferPurposes)[number];
  readonly partition: Partition;
  readonly peer: NodeId;
  readonly isRunning: boolean;
  readonly bytes: number;
  readonly bytesTotal: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly secondsLeft: number | undefined;
  readonly failures: number;
  readonly lastError: string | undefined;
}

export interface NodeReport {
  /** Of the package. */
  readonly version: string;
  readonly generation: number;
  readonly epoch: number;
  /** Of the data directory's file system. */
  readonly freeBytes: number | undefined;
  /** Those with data that belongs to others, or of which that is not known yet. */
  readonly strayPartitions: number;
  readonly strayBytes: number;
  readonly transfers: readonly ReportedTransfer[];
  readonly transfersUnlisted: number;
  /** Estimates; empty unless asked for. */
  readonly partitionBytes: ReadonlyMap<Partition, number>;
}

export type ReportMessage =
  | { readonly kind: 'ask'; readonly token: number; readonly wantsSizes: boolean }
  | { readonly kind: 'report'; readonly token: number; readonly report: NodeReport };

const formatVersion = 1;
const kindCodes = { ask: 1, report: 2 } as const;

export function encodeReportMessage(message: ReportMessage): Buffer {
  const writer = new FieldWriter();
  writer.number(formatVersion);
  writer.number(kindCodes[message.kind]);
  writer.number(message.token);
  switch (message.kind) {
    case 'ask':
      writer.flag(message.wantsSizes);
      break;
    case 'report':
      writeReport(writer, message.report);
      break;
    default:
      unreachable(message);
  }
  return writer.finish();
}

/** Undefined: malformed, or of a version that this node does not know. */
export function decodeReportMessage(bytes: Buffer): ReportMessage | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== formatVersion) return undefined;
  const code = reader.number();
  const token = reader.number();
  let message: ReportMessage | undefined;
  if (code === kindCodes.ask) message = { kind: 'ask', token, wantsSizes: reader.flag() };
  else if (code === kindCodes.report) message = { kind: 'report', token, report: readReport(reader) };
  return reader.isWhole ? message : undefined;
}

function writeReport(writer: FieldWriter, report: NodeReport): void {
  writer.text(report.version);
  writer.number(report.generation);
  writer.number(report.epoch);
  writeOptional(writer, report.freeBytes);
  writer.number(report.strayPartitions);
  writer.number(report.strayBytes);
  writer.list(report.transfers, (transfer) => writeTransfer(writer, transfer));
  writer.number(report.transfersUnlisted);
  writer.list([...report.partitionBytes], ([partition, bytes]) => {
    writer.number(partition);
    writer.number(bytes);
  });
}

function readReport(reader: FieldReader): NodeReport {
  return {
    version: reader.text(),
    generation: reader.number(),
    epoch: reader.number(),
    freeBytes: readOptional(reader),
    strayPartitions: reader.number(),
    strayBytes: reader.number(),
    transfers: reader.list(() => readTransfer(reader)),
    transfersUnlisted: reader.number(),
    partitionBytes: new Map(reader.list(() => [reader.number() as Partition, reader.number()] as const)),
  };
}

function writeTransfer(writer: FieldWriter, transfer: ReportedTransfer): void {
  writer.flag(transfer.direction === 'in');
  writer.number(transferPurposes.indexOf(transfer.purpose));
  writer.number(transfer.partition);
  writer.text(transfer.peer);
  writer.flag(transfer.isRunning);
  writer.number(transfer.bytes);
  writeOptional(writer, transfer.bytesTotal);
  writeOptional(writer, transfer.bytesPerSecond);
  writeOptional(writer, transfer.secondsLeft);
  writer.number(transfer.failures);
  writer.text(transfer.lastError ?? '');
}

function readTransfer(reader: FieldReader): ReportedTransfer {
  const direction = reader.flag() ? 'in' : 'out';
  const purpose = transferPurposes[reader.number()];
  if (purpose === undefined) reader.fail();
  const transfer = {
    direction,
    purpose: purpose ?? 'move',
    partition: reader.number() as Partition,
    peer: reader.text() as NodeId,
    isRunning: reader.flag(),
    bytes: reader.number(),
    bytesTotal: readOptional(reader),
    bytesPerSecond: readOptional(reader),
    secondsLeft: readOptional(reader),
    failures: reader.number(),
  } as const;
  const lastError = reader.text();
  return { ...transfer, lastError: lastError === '' ? undefined : lastError };
}

function writeOptional(writer: FieldWriter, value: number | undefined): void {
  writer.flag(value !== undefined);
  if (value !== undefined) writer.number(value);
}

function readOptional(reader: FieldReader): number | undefined {
  return reader.flag() ? reader.number() : undefined;
}
