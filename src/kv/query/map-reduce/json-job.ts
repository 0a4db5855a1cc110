/** A job in JSON: the body of `POST /mapred`, and of RpbMapRedReq with the content type `application/json`. */
import { type ByteString, bytesOfText, textOfBytes } from '../../../stdx/index.ts';
import type { Term } from '../../../wire/index.ts';
import type { BucketAddress } from '../../key-value-store.ts';
import { bucketOf, ItemError, type KeyItem, keyOfTerm, parsedJson } from './item.ts';
import {
  type IndexInputs,
  type JobInputs,
  JobRefusal,
  type MapReduceJob,
  type PhaseFunction,
  type PhaseSpec,
  phasesMax,
} from './job.ts';
import { parseKeyFilters } from './key-filter.ts';

type Members = ReadonlyMap<ByteString, Term>;

/** `parsedBytesMax`: what it may take in memory. Throws `JobRefusal`. */
export function parseJsonJob(bytes: Buffer, parsedBytesMax?: number): MapReduceJob {
  const job = parsed(bytes, parsedBytesMax);
  if (!(job instanceof Map)) throw new JobRefusal('object', 'The job is not a JSON object.');
  const [inputs, query] = [member(job, 'inputs'), member(job, 'query')];
  if (inputs === undefined || query === undefined) {
    throw new JobRefusal('missing', 'The job lacks the "inputs" or "query" field.');
  }
  const timeoutMs = parseTimeout(member(job, 'timeout'));
  return { inputs: parseInputs(inputs), phases: parseQuery(query), timeoutMs };
}

export function parseTimeout(timeout: Term | undefined): number | undefined {
  if (timeout === undefined || timeout === null) return undefined;
  if (typeof timeout === 'number' && Number.isSafeInteger(timeout) && timeout > 0) return timeout;
  throw new JobRefusal('timeout', 'The "timeout" field must be a number of milliseconds.');
}

function parsed(bytes: Buffer, bytesMax: number | undefined): Term {
  try {
    return parsedJson(bytes.toString('utf8'), bytesMax);
  } catch (error) {
    if (!(error instanceof ItemError || isTooLong(error))) throw error;
    // Clients know the parser's own words.
    if (error.cause instanceof SyntaxError) throw new JobRefusal('json', error.cause.message);
    throw new JobRefusal('value', error.message);
  }
}

/** Longer than V8 can make a string. */
function isTooLong(error: unknown): error is Error {
  return error instanceof RangeError || (error as { code?: unknown }).code === 'ERR_STRING_TOO_LONG';
}

function member(members: Members, name: string): Term | undefined {
  return members.get(name as ByteString);
}

function parseInputs(term: Term): JobInputs {
  if (typeof term === 'string') return wholeBucket(bucketOf(term)!);
  if (Array.isArray(term)) {
    const list = term as readonly Term[];
    const isBucket = list.length === 2 && list.every((element) => typeof element === 'string');
    if (isBucket) return wholeBucket(bucketOf(list)!);
    return { kind: 'keys', keys: list.map((element) => keyOfList(element)) };
  }
  if (term instanceof Map) return objectInputs(term as Members);
  return unrecognized(term);
}

function keyOfList(term: Term): KeyItem {
  const key = Array.isArray(term) ? keyOfTerm(term) : undefined;
  return key ?? unrecognized(term);
}

function wholeBucket(bucket: BucketAddress): JobInputs {
  return { kind: 'bucket', bucket, filters: [] };
}

function objectInputs(members: Members): JobInputs {
  const bucket = member(members, 'bucket');
  const address = bucket === undefined ? undefined : bucketOf(bucket);
  const filters = member(members, 'key_filters');
  if (filters !== undefined && address !== undefined) {
    return { kind: 'bucket', bucket: address, filters: parseKeyFilters(filters) };
  }
  const index = member(members, 'index');
  if (member(members, 'query') !== undefined) throw new JobRefusal('inputs', 'Search is not available.');
  if (typeof index === 'string' && address !== undefined) return indexInputs(address, index, members);
  if (member(members, 'module') !== undefined) {
    throw new JobRefusal('inputs', 'Inputs that a module and a function make are not available.');
  }
  return unrecognized(members);
}

function indexInputs(bucket: BucketAddress, index: ByteString, members: Members): IndexInputs {
  const key = bound(member(members, 'key'));
  const start = bound(member(members, 'start'));
  const end = bound(member(members, 'end'));
  if (key !== undefined) return { kind: 'index', bucket, index, start: key };
  if (start !== undefined && end !== undefined) return { kind: 'index', bucket, index, start, end };
  throw new JobRefusal('inputs', 'An index query needs "key", or "start" and "end".');
}

/** Of an integer index it may come as a number. */
export function bound(term: Term | undefined): ByteString | undefined {
  if (typeof term === 'string') return term;
  return typeof term === 'number' || typeof term === 'bigint' ? bytesOfText(String(term)) : undefined;
}

const quotedMax = 1024;

function unrecognized(term: Term): never {
  const shown = JSON.stringify(shownJson(term)).slice(0, quotedMax);
  throw new JobRefusal('inputs', [
    'Unrecognized format of "inputs" field:',
    `   ${shown}`,
    'Valid formats are:',
    ' - a bucket name, as a string, or [Type, Bucket]',
    ' - a list of bucket/key pairs, with key data and bucket type behind them if need be',
    ' - an object with "bucket" and "key_filters"',
    ' - an object with "bucket", "index", and "key", or "start" and "end"',
  ]);
}

/** As much of it as helps to find the mistake. */
function shownJson(term: Term, depth = 0): unknown {
  if (typeof term === 'string') return textOfBytes(term);
  if (depth > 4) return '…';
  if (Array.isArray(term)) return (term as readonly Term[]).slice(0, 8).map((e) => shownJson(e, depth + 1));
  if (!(term instanceof Map)) return typeof term === 'bigint' ? String(term) : term;
  const members = [...(term as Members)].slice(0, 8);
  return Object.fromEntries(members.map(([name, value]) => [textOfBytes(name), shownJson(value, depth + 1)]));
}

function refuseQuery(reason: string): never {
  throw new JobRefusal('query', reason);
}

function parseQuery(term: Term): readonly PhaseSpec[] {
  if (!Array.isArray(term)) return refuseQuery('The "query" field is a list of phases.');
  if (term.length > phasesMax) return refuseQuery(`At most ${phasesMax} phases are allowed.`);
  return (term as readonly Term[]).map((phase, i) => parsePhase(phase, i === term.length - 1));
}

function parsePhase(term: Term, isLast: boolean): PhaseSpec {
  const [entry, ...more] = term instanceof Map ? [...(term as Members)] : [];
  const [kind, spec] = entry ?? [];
  if (spec === undefined || more.length > 0 || !(spec instanceof Map)) {
    return refuseQuery('A phase is an object with one member: "map", "reduce" or "link".');
  }
  const members = spec as Members;
  const keep = member(members, 'keep') ?? isLast;
  if (typeof keep !== 'boolean') return refuseQuery('The "keep" field of a phase must be true or false.');
  switch (kind as string) {
    case 'link': {
      const [bucket, tag] = [linkPart(members, 'bucket'), linkPart(members, 'tag')];
      return { kind: 'link', bucket, tag, isKept: keep };
    }
    case 'map':
    case 'reduce': {
      const arg = member(members, 'arg');
      return { kind: kind as 'map' | 'reduce', function: parseFunction(members), arg, isKept: keep };
    }
    default:
      return refuseQuery(`Unknown kind of phase: ${textOfBytes(kind!)}`);
  }
}

function linkPart(members: Members, name: string): ByteString | undefined {
  const part = member(members, name) ?? '_';
  if (typeof part !== 'string') return refuseQuery(`The "${name}" field of a link phase must be a string.`);
  return part === '_' ? undefined : (part as ByteString);
}

function parseFunction(members: Members): PhaseFunction {
  const text = (name: string): string | undefined => {
    const value = member(members, name);
    return typeof value === 'string' ? textOfBytes(value) : undefined;
  };
  const language = text('language');
  if (language === 'erlang') {
    const [module, name] = [text('module'), text('function')];
    if (module !== undefined && name !== undefined) return { language, module, name };
    return refuseQuery('Erlang phases need "module" and "function"; Erlang source cannot be run.');
  }
  if (language !== 'javascript')
    return refuseQuery('The "language" of a phase must be javascript or erlang.');
  const [source, name] = [text('source'), text('name')];
  if (source !== undefined) return { language, source };
  if (name !== undefined) return { language, name };
  const [bucket, key] = [member(members, 'bucket'), member(members, 'key')];
  const address = bucket === undefined ? undefined : bucketOf(bucket);
  if (address !== undefined && typeof key === 'string') return { language, stored: { ...address, key } };
  return refuseQuery('JavaScript phases need "source", "name", or "bucket" and "key".');
}
