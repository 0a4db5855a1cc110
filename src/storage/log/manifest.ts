/**
 * The manifest: which runs make up the index, from where the log has to be read behind them, what is dead in each
 * segment. It is replaced by a rename. All in it can be found again from the log alone, so a damaged one costs a
 * start that reads the whole log, and nothing else.
 *
 * A line with the format, its version and the checksum of the rest, in hexadecimal; then JSON.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { type Disk, DiskError } from '../../environment/index.ts';
import type { DeletedRange } from './log-record.ts';
import type { Position } from './position.ts';

export const MANIFEST_NAME = 'manifest';
export const UNFINISHED_MANIFEST_NAME = 'manifest.new';

const FORMAT = 'hale-log-manifest 1';

export interface ManifestRun {
  readonly number: number;
  readonly purgedTo: Position;
}

export interface ManifestSegment {
  readonly number: number;
  readonly deadBytes: number;
  readonly tombstoneBytes: number;
}

export interface Manifest {
  readonly checkpoint: Position;
  /** Newest first. */
  readonly runs: readonly ManifestRun[];
  readonly ranges: readonly DeletedRange[];
  /** Oldest first; those that were there when it was written. */
  readonly segments: readonly ManifestSegment[];
}

interface Encoded extends Omit<Manifest, 'ranges'> {
  readonly ranges: readonly {
    readonly from: string;
    readonly to: string | null;
    readonly segment: number;
    readonly offset: number;
  }[];
}

function encodeManifest({ checkpoint, runs, ranges, segments }: Manifest): Buffer {
  const encoded: Encoded = {
    checkpoint,
    runs,
    segments,
    ranges: ranges.map(({ from, to, segment, offset }) => {
      return { from: from.toString('hex'), to: to?.toString('hex') ?? null, segment, offset };
    }),
  };
  const body = JSON.stringify(encoded);
  return Buffer.from(`${FORMAT} ${crc32(body).toString(16)}\n${body}`);
}

/** Undefined if it is damaged. */
function decodeManifest(bytes: Buffer): Manifest | undefined {
  const end = bytes.indexOf('\n');
  if (end < 0) return undefined;
  const body = bytes.subarray(end + 1);
  if (bytes.toString('latin1', 0, end) !== `${FORMAT} ${crc32(body).toString(16)}`) return undefined;
  const { checkpoint, runs, segments, ranges } = JSON.parse(body.toString()) as Encoded;
  return {
    checkpoint,
    runs,
    segments,
    ranges: ranges.map(({ from, to, segment, offset }) => ({
      from: Buffer.from(from, 'hex'),
      to: to === null ? undefined : Buffer.from(to, 'hex'),
      segment,
      offset,
    })),
  };
}

/** Durable when resolved. Rejects with `DiskError`; then the old one stands, or perhaps the new one. */
export async function writeManifest(disk: Disk, directory: string, manifest: Manifest): Promise<void> {
  const unfinished = `${directory}/${UNFINISHED_MANIFEST_NAME}`;
  const bytes = encodeManifest(manifest);
  const file = await disk.open(unfinished, { create: true });
  try {
    if (file.size > bytes.length) await file.truncate(0);
    await file.write(0, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(unfinished, `${directory}/${MANIFEST_NAME}`);
  await disk.syncDirectory(directory);
}

/** Undefined if there is none, or none that can be trusted. Rejects with `DiskError` only as far as it is not about the file. */
export async function readManifest(disk: Disk, directory: string): Promise<Manifest | undefined> {
  let file: Awaited<ReturnType<Disk['open']>>;
  try {
    file = await disk.open(`${directory}/${MANIFEST_NAME}`, { create: false });
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'missing') return undefined;
    throw cause;
  }
  try {
    return decodeManifest(file.read(0, file.size));
  } finally {
    await file.close();
  }
}
