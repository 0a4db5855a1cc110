/**
 * The query part of a request target, and the parameters that many resources share. The first of two
 * parameters of one name counts. The error texts are Riak's: clients show them to people.
 */
import {
  type QuorumValue,
  quorumCount,
  quorumOfWord,
  type ReadOptions,
  type WriteOptions,
} from '../../kv/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { percentDecode } from './percent-encoding.ts';

/** Parameters beyond this number are not looked at. */
const parametersMax = 64;
const quorumCountMax = 0x7fff_ffff;
const digitsMax = 10;

/** A parameter that cannot be understood. `message` is the body of the 400. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

export type SyncOnWriteParameter = 'backend' | 'one' | 'all';

export class QueryParameters {
  readonly #values: ReadonlyMap<string, ByteString>;

  constructor(query: string) {
    this.#values = query === '' ? noParameters : parse(query);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  text(name: string): ByteString | undefined {
    return this.#values.get(name);
  }

  /** Throws `QueryError`. */
  quorum(name: string): QuorumValue | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const word = quorumOfWord(text);
    if (word !== undefined) return word;
    const count = decimal(text);
    if (count === undefined || count > quorumCountMax) {
      throw new QueryError(
        `${name} query parameter must be an integer or one of the following words: 'one', 'quorum' or 'all'\n`,
      );
    }
    return quorumCount(count);
  }

  /** Undefined also for `default`. Throws `QueryError`. */
  flag(name: string): boolean | undefined {
    const text = this.#values.get(name);
    if (text === undefined || text === 'default') return undefined;
    if (text === 'true') return true;
    if (text === 'false') return false;
    throw new QueryError(`${name} query parameter must be true or false\n`);
  }

  /** Throws `QueryError`. */
  timeoutMs(): number | undefined {
    const text = this.#values.get('timeout');
    if (text === undefined) return undefined;
    const timeoutMs = decimal(text);
    if (timeoutMs === undefined) throw new QueryError(`Bad timeout value ${JSON.stringify(text)}\n`);
    return timeoutMs;
  }

  /** Throws `QueryError`. */
  readOptions(): ReadOptions {
    return {
      r: this.quorum('r'),
      pr: this.quorum('pr'),
      nodeConfirms: this.quorum('node_confirms'),
      basicQuorum: this.flag('basic_quorum'),
      notfoundOk: this.flag('notfound_ok'),
      timeoutMs: this.timeoutMs(),
    };
  }

  /** Throws `QueryError`. */
  writeOptions(): WriteOptions {
    return {
      w: this.quorum('w'),
      dw: this.quorum('dw'),
      pw: this.quorum('pw'),
      nodeConfirms: this.quorum('node_confirms'),
      timeoutMs: this.timeoutMs(),
    };
  }

  /** Undefined also for `default`. Throws `QueryError`. */
  syncOnWrite(): SyncOnWriteParameter | undefined {
    const text: string | undefined = this.#values.get('sync_on_write');
    switch (text) {
      case undefined:
      case 'default':
        return undefined;
      case 'backend':
      case 'one':
      case 'all':
        return text;
      default:
        throw new QueryError(
          'sync_on_write query parameter must be one of the following words: [default,backend,one,all]\n',
        );
    }
  }
}

const noParameters: ReadonlyMap<string, ByteString> = new Map();

function parse(query: string): ReadonlyMap<string, ByteString> {
  const values = new Map<string, ByteString>();
  let start = 0;
  while (start < query.length && values.size < parametersMax) {
    const ampersand = query.indexOf('&', start);
    const end = ampersand < 0 ? query.length : ampersand;
    const equals = query.indexOf('=', start);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (nameEnd > start) {
      const name = percentDecode(query.slice(start, nameEnd));
      if (!values.has(name))
        values.set(name, percentDecode(query.slice(nameEnd + 1, Math.max(end, nameEnd + 1))));
    }
    start = end + 1;
  }
  return values;
}

function decimal(text: string): number | undefined {
  if (text.length === 0 || text.length > digitsMax) return undefined;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  return Number(text);
}
