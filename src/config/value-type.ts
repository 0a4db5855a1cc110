/**
 * The kinds of value that a key can have. Each knows how to read text, how to write text that reads back
 * as the same value, and how to say its rule in words.
 *
 * A value is written the same in the file, in an environment variable and after `-o`: a file may give a
 * bare number or boolean as well, which is read as its text.
 */
export type Parsed<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'bad' };

export interface ValueType<T> {
  /** `integer`, `bytes`, `duration`, …: for people. */
  readonly name: string;
  /** What the number counts, where it counts something. */
  readonly unit?: 'bytes' | 'milliseconds';
  /** Completes the sentence "must be …". */
  readonly rule: string;
  parse(text: string): Parsed<T>;
  /** The canonical text; `parse(format(v))` is `v`. */
  format(value: T): string;
  /** True if the canonical text is a TOML number or boolean and needs no quotes. */
  bare(value: T): boolean;
}

const bad = { kind: 'bad' } as const;

function ok<T>(value: T): Parsed<T> {
  return { kind: 'ok', value };
}

export interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
}

function within(value: number, bounds: Bounds): Parsed<number> {
  if (!Number.isSafeInteger(value) || value < bounds.minimum || value > bounds.maximum) return bad;
  return ok(value);
}

export function integer(bounds: Bounds): ValueType<number> {
  return {
    name: 'integer',
    rule: `an integer from ${bounds.minimum} to ${bounds.maximum}`,
    parse: (text) => (/^-?\d+$/.test(text) ? within(Number(text), bounds) : bad),
    format: String,
    bare: () => true,
  };
}

export function powerOfTwo(bounds: Bounds): ValueType<number> {
  const inner = integer(bounds);
  return {
    ...inner,
    rule: `a power of two from ${bounds.minimum} to ${bounds.maximum}`,
    parse: (text) => {
      const parsed = inner.parse(text);
      return parsed.kind === 'ok' && Number.isInteger(Math.log2(parsed.value)) ? parsed : bad;
    },
  };
}

/** Largest first: the canonical text uses the largest unit that divides the value. */
const byteUnits: readonly (readonly [string, number])[] = [
  ['TB', 2 ** 40],
  ['GB', 2 ** 30],
  ['MB', 2 ** 20],
  ['KB', 2 ** 10],
];

function formatInUnits(
  value: number,
  units: readonly (readonly [string, number])[],
  smallest: string,
): string {
  const unit = value === 0 ? undefined : units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? `${value}${smallest}` : `${value / unit[1]}${unit[0]}`;
}

/** Units are powers of 1024, as in Riak's files. */
export function bytes(bounds: Bounds): ValueType<number> {
  const format = (value: number) => formatInUnits(value, byteUnits, '');
  return {
    name: 'bytes',
    unit: 'bytes',
    rule: `a size such as "64MB" (B, KB, MB, GB, TB) from ${format(bounds.minimum)} to ${format(bounds.maximum)}`,
    parse: (text) => {
      const match = /^(\d+)(?:B|([KMGT])B?)?$/i.exec(text);
      if (match === null) return bad;
      const factor = byteUnits.find(([name]) => name[0] === match[2]?.toUpperCase())?.[1] ?? 1;
      return within(Number(match[1]) * factor, bounds);
    },
    format,
    bare: (value) => /^\d+$/.test(format(value)),
  };
}

/** Or what fits the machine. */
export function bytesOrAuto(bounds: Bounds): ValueType<number | 'auto'> {
  const inner = bytes(bounds);
  return {
    name: 'bytes, or auto',
    unit: 'bytes',
    rule: `${inner.rule}, or "auto"`,
    parse: (text) => (text === 'auto' ? ok('auto') : inner.parse(text)),
    format: (value) => (value === 'auto' ? value : inner.format(value)),
    bare: (value) => value !== 'auto' && inner.bare(value),
  };
}

const durationUnits: readonly (readonly [string, number])[] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];
const durationFactor: ReadonlyMap<string, number> = new Map([...durationUnits, ['ms', 1]]);

/**
 * Milliseconds, written `1h30m`, `30s`, `250ms`. A bare number is refused, for nobody can tell seconds
 * from milliseconds in it; except where Riak's own key is a bare number (`bareUnit`).
 */
export function duration(bounds: Bounds, bareUnit?: 'ms' | 's'): ValueType<number> {
  const format = (value: number) => formatInUnits(value, durationUnits, 'ms');
  const bareRule =
    bareUnit === undefined ? '' : `, or a number of ${bareUnit === 's' ? 'seconds' : 'milliseconds'},`;
  return {
    name: 'duration',
    unit: 'milliseconds',
    rule: `a duration such as "30s" or "1h30m" (ms, s, m, h, d, w)${bareRule} from ${format(bounds.minimum)} to ${format(bounds.maximum)}`,
    parse: (text) => {
      if (bareUnit !== undefined && /^\d+$/.test(text)) {
        return within(Number(text) * durationFactor.get(bareUnit)!, bounds);
      }
      if (!/^(?:\d+(?:ms|[wdhms]))+$/.test(text)) return bad;
      let total = 0;
      for (const [, count, unit] of text.matchAll(/(\d+)(ms|[wdhms])/g)) {
        total += Number(count) * durationFactor.get(unit!)!;
      }
      return within(total, bounds);
    },
    format,
    bare: () => false,
  };
}

const flagWords: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['on', true],
  ['enabled', true],
  ['false', false],
  ['off', false],
  ['disabled', false],
]);

export function flag(): ValueType<boolean> {
  return {
    name: 'flag',
    rule: 'true or false ("on", "off", "enabled" and "disabled" will do)',
    parse: (text) => {
      const value = flagWords.get(text);
      return value === undefined ? bad : ok(value);
    },
    format: String,
    bare: () => true,
  };
}

export function word<const W extends string>(...words: readonly W[]): ValueType<W> {
  return {
    name: 'word',
    rule: words.length === 1 ? `"${words[0]}"` : `one of ${words.map((w) => `"${w}"`).join(', ')}`,
    parse: (text) => {
      const found = words.find((w) => w === text);
      return found === undefined ? bad : ok(found);
    },
    format: (value) => value,
    bare: () => false,
  };
}

/** A value of another type, or one of a few words that stand for no value of it: `"off"`, `"quorum"`. */
export function either<T, const W extends string>(
  type: ValueType<T>,
  ...words: readonly W[]
): ValueType<T | W> {
  const named = word(...words);
  const isWord = (value: T | W): value is W => words.some((w) => w === value);
  return {
    name: `${type.name} or ${words.map((w) => `"${w}"`).join(', ')}`,
    ...(type.unit === undefined ? {} : { unit: type.unit }),
    rule: `${named.rule}, or ${type.rule}`,
    parse: (text): Parsed<T | W> => {
      const parsed = named.parse(text);
      return parsed.kind === 'ok' ? parsed : type.parse(text);
    },
    format: (value) => (isWord(value) ? value : type.format(value)),
    bare: (value) => !isWord(value) && type.bare(value),
  };
}

export interface HostAndPort {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  /** 0 asks for any free port. */
  readonly port: number;
}

export function address(): ValueType<HostAndPort> {
  return {
    name: 'address',
    rule: 'an address "host:port" (IPv6 as "[::1]:8098"; port 0 takes a free one)',
    parse: (text) => {
      const match = /^(?:\[([0-9a-f:.]+(?:%\w+)?)\]|([\w.-]+)):(\d{1,5})$/i.exec(text);
      const host = match?.[1] ?? match?.[2];
      const port = Number(match?.[3]);
      return host === undefined || port > 65_535 ? bad : ok({ host, port });
    },
    format: formatAddress,
    bare: () => false,
  };
}

export function formatAddress({ host, port }: HostAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const pathLengthMax = 4096;

export function path(): ValueType<string> {
  return {
    name: 'path',
    rule: `a path of 1 to ${pathLengthMax} characters without control characters`,
    parse: (text) =>
      text.length > 0 && text.length <= pathLengthMax && !/[\p{Cc}\p{Cs}]/u.test(text) ? ok(text) : bad,
    format: (value) => value,
    bare: () => false,
  };
}

const labelLengthMax = 255;

/** A name for people. */
export function label(): ValueType<string> {
  return {
    name: 'label',
    rule: `a text of up to ${labelLengthMax} characters without control characters`,
    parse: (text) => (text.length <= labelLengthMax && !/[\p{Cc}\p{Cs}]/u.test(text) ? ok(text) : bad),
    format: (value) => value,
    bare: () => false,
  };
}

/** What a storage engine of several backends can be made of. */
export type BackendKind = 'leveldb' | 'log' | 'memory';

export const backendKind = word('leveldb', 'log', 'memory');
const backendsMax = 16;
const backendNameRule = 'lower-case letters, digits, "_" and "-", up to 32, neither "default" nor "backends"';

/** A backend's name: it names a directory, on machines that do not tell `A` from `a`, too. */
export function isBackendName(text: string): boolean {
  return /^[a-z0-9_-]{1,32}$/.test(text) && text !== 'default' && text !== 'backends';
}

export function backendName(): ValueType<string> {
  return {
    name: 'backend name',
    rule: `the name of a backend (${backendNameRule})`,
    parse: (text) => (isBackendName(text) ? ok(text) : bad),
    format: (value) => value,
    bare: () => false,
  };
}

/** Names with kinds, in the order in which they were given. */
export function backends(): ValueType<ReadonlyMap<string, BackendKind>> {
  return {
    name: 'backends',
    rule: `a list such as "main=leveldb, fast=memory" of up to ${backendsMax} names (${backendNameRule}) and kinds (leveldb, log, memory)`,
    parse: (text) => {
      const found = new Map<string, BackendKind>();
      for (const item of text.trim() === '' ? [] : text.split(',')) {
        const [name = '', kindText = ''] = item.split('=').map((part) => part.trim());
        const kind = backendKind.parse(kindText);
        if (!isBackendName(name) || found.has(name) || kind.kind === 'bad') return bad;
        found.set(name, kind.value);
      }
      return found.size > backendsMax ? bad : ok(found);
    },
    format: (value) => [...value].map(([name, kind]) => `${name}=${kind}`).join(', '),
    bare: () => false,
  };
}

const secretLengthMax = 1024;

/** What only those who run the nodes know. A key of this type says `isSecret`, and is never shown. */
export function secret(): ValueType<string> {
  return {
    name: 'secret',
    rule: `a text of up to ${secretLengthMax} characters without control characters`,
    parse: (text) => (text.length <= secretLengthMax && !/[\p{Cc}\p{Cs}]/u.test(text) ? ok(text) : bad),
    format: (value) => value,
    bare: () => false,
  };
}

const nodeNameLengthMax = 255;

export function nodeName(): ValueType<string> {
  return {
    name: 'node name',
    rule: 'a node name of the form name@host, such as "hale1@10.0.0.5"',
    parse: (text) => (text.length <= nodeNameLengthMax && /^[\w-]+@[\w.:-]+$/.test(text) ? ok(text) : bad),
    format: (value) => value,
    bare: () => false,
  };
}
