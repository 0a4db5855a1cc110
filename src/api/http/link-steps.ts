/**
 * The steps of a link walk, `bucket,tag,keep` each: which links are followed from every object that was reached, and
 * whether what they lead to is shown. `_` is any bucket, any tag, or the default for keep: the last step is shown, the
 * others are not.
 */
import type { ByteString } from '../../stdx/index.ts';
import type { Link } from '../../wire/index.ts';
import { percentDecode } from './percent-encoding.ts';

export const linkStepsMax = 16;

export interface LinkStep {
  /** Undefined: any. */
  readonly bucket: ByteString | undefined;
  readonly tag: ByteString | undefined;
  readonly keep: boolean;
}

export interface LinkedName {
  readonly bucket: ByteString;
  readonly key: ByteString;
}

/** `segments` as they were sent: a comma that belongs to a name comes encoded. Undefined: not a walk. */
export function parseLinkSteps(segments: readonly string[]): readonly LinkStep[] | undefined {
  if (segments.length === 0 || segments.length > linkStepsMax) return undefined;
  const steps: LinkStep[] = [];
  for (const [at, segment] of segments.entries()) {
    const parts = segment.split(',');
    const [bucket, tag, keep] = parts;
    if (parts.length !== 3 || bucket === '' || tag === '' || !/^[01_]$/.test(keep!)) return undefined;
    const isLast = at === segments.length - 1;
    steps.push({ bucket: nameOf(bucket!), tag: nameOf(tag!), keep: keep === '_' ? isLast : keep === '1' });
  }
  return steps;
}

/** The last `count` segments of a request target, as they were sent. Empty ones are none. */
export function lastSegments(target: string, count: number): readonly string[] {
  const path = /^[^?#]*/.exec(target)?.[0] ?? '';
  return path
    .split('/')
    .filter((segment) => segment !== '')
    .slice(-count);
}

function nameOf(part: string): ByteString | undefined {
  return part === '_' ? undefined : percentDecode(part);
}

export function follows({ bucket, tag }: LinkStep, link: Link): boolean {
  return (bucket === undefined || bucket === link.bucket) && (tag === undefined || tag === link.tag);
}

/** Names that a step leads to, each once. */
export class LinkedNames {
  /** By bucket: no character separates any two names for sure. */
  readonly #keys = new Map<ByteString, Set<ByteString>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ bucket, key }: LinkedName): void {
    let keys = this.#keys.get(bucket);
    if (keys === undefined) {
      keys = new Set();
      this.#keys.set(bucket, keys);
    }
    if (keys.has(key)) return;
    keys.add(key);
    this.#size += 1;
  }

  /** By bucket, then by key. */
  sorted(): readonly LinkedName[] {
    const buckets = [...this.#keys].sort(([a], [b]) => (a < b ? -1 : 1));
    return buckets.flatMap(([bucket, keys]) => [...keys].sort().map((key) => ({ bucket, key })));
  }
}
