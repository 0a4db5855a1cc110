/** What a node says of its storage backends. */
import type { BackendMoves, BackendSizes, MultiEngine } from '../storage/index.ts';
import { type Sample, single } from './prometheus-sample.ts';

export interface BackendFacts {
  readonly name: string;
  /** `leveldb`, `log`, `memory`. */
  readonly kind: string;
  readonly isDefault: boolean;
  /** Of buckets; undefined: nobody has looked yet. */
  readonly bytes: number | undefined;
  /** Buckets and types that were given to it by their properties. */
  readonly rules: number;
  readonly batches: number;
  readonly bytesWritten: number;
  /** Undefined while it takes writes. */
  readonly failure: string | undefined;
}

export interface StorageMoves {
  /** Buckets and types of which entries may still have to be moved. */
  readonly moving: number;
  /** Entries, since the start. */
  readonly moved: number;
}

/** Of a node whose storage is several. */
export interface Backends {
  readonly engine: MultiEngine;
  readonly moves: BackendMoves;
  readonly sizes: BackendSizes;
}

export function backendFacts({ engine, sizes }: Backends): readonly BackendFacts[] {
  const rules = new Map<string, number>();
  for (const name of engine.placements.rules.values()) rules.set(name, (rules.get(name) ?? 0) + 1);
  return engine.backends.map((backend, i) => {
    const { name } = backend;
    const { health } = backend.engine;
    const written = engine.writtenTo(backend);
    return {
      name,
      kind: backend.engine.name,
      isDefault: i === 0,
      bytes: sizes.bytesOf(backend),
      rules: rules.get(name) ?? 0,
      batches: written.batches,
      bytesWritten: written.bytes,
      failure: health.kind === 'failing' ? health.error.message : undefined,
    };
  });
}

export function movesFacts({ engine, moves }: Backends): StorageMoves {
  // What was asked for a moment ago has not been written down yet.
  const moving = Math.max(engine.placements.moving.size, moves.isAtWork ? 1 : 0);
  return { moving, moved: engine.moved };
}

export interface BackendStatus {
  readonly engine: string;
  readonly default: boolean;
  readonly bytes: number | 'unknown';
  /** Buckets and types that name it. */
  readonly named_by: number;
  readonly health: string;
}

export function backendStatus(backends: readonly BackendFacts[]): Record<string, BackendStatus> {
  return Object.fromEntries(
    backends.map(({ name, kind, isDefault, bytes, rules, failure }) => [
      name,
      {
        engine: kind,
        default: isDefault,
        bytes: bytes ?? 'unknown',
        named_by: rules,
        health: failure ?? 'healthy',
      },
    ]),
  );
}

/** None where one engine holds all. */
export function backendSamples(
  backends: readonly BackendFacts[],
  moves: StorageMoves | undefined,
): readonly Sample[] {
  if (moves === undefined) return [];
  const each = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (backend: BackendFacts) => number,
  ): Sample => ({
    type,
    name: `hale_storage_backend_${name}`,
    help,
    values: backends.map((backend) => ({ value: of(backend), labels: { backend: backend.name } })),
  });
  return [
    each(
      'gauge',
      'bytes',
      'Bytes of buckets in a backend, roughly; 0 before the first look.',
      (b) => b.bytes ?? 0,
    ),
    each('gauge', 'failing', '1 while a backend refuses writes.', (b) => (b.failure === undefined ? 0 : 1)),
    each('counter', 'batches_total', 'Batches written to a backend.', (b) => b.batches),
    each(
      'counter',
      'written_bytes_total',
      'Bytes of keys and values written to a backend.',
      (b) => b.bytesWritten,
    ),
    single(
      'gauge',
      'hale_storage_moving_buckets',
      'Buckets and types of which entries may still be in another backend than they are to be.',
      moves.moving,
    ),
    single('counter', 'hale_storage_moved_entries_total', 'Entries moved between backends.', moves.moved),
  ];
}
