/** What a journal of a replica needs as bytes. Framing and checksums are the journal's. */
import type { Buffer } from 'node:buffer';
import { FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { Effect, HardState } from '../effect.ts';
import type { Entry } from '../log/entry.ts';
import type { SnapshotMark } from '../snapshot/snapshot-mark.ts';
import {
  readEntry,
  readHardState,
  readSnapshotMark,
  writeEntry,
  writeHardState,
  writeSnapshotMark,
} from './record-codec.ts';

const version = 1;

/** What a `persist` effect writes. */
export type LogWrite = Pick<Extract<Effect, { kind: 'persist' }>, 'hardState' | 'entries'>;

export function encodeLogWrite({ hardState, entries }: LogWrite): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.flag(hardState !== undefined);
  if (hardState !== undefined) writeHardState(writer, hardState);
  writer.list(entries, (entry) => writeEntry(writer, entry));
  return writer.finish();
}

/** Undefined if the bytes are no write of a version that this code knows. */
export function decodeLogWrite(bytes: Uint8Array): LogWrite | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const hardState: HardState | undefined = reader.flag() ? readHardState(reader) : undefined;
  const entries: readonly Entry[] = reader.list(() => readEntry(reader));
  return reader.isWhole ? { hardState, entries } : undefined;
}

export function encodeSnapshotMark(mark: SnapshotMark): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writeSnapshotMark(writer, mark);
  return writer.finish();
}

export function decodeSnapshotMark(bytes: Uint8Array): SnapshotMark | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const mark = readSnapshotMark(reader);
  return reader.isWhole ? mark : undefined;
}
