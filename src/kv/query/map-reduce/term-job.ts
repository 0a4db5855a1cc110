/**
 * A job as a term: RpbMapRedReq with the content type `application/x-erlang-binary`,
 * `[{inputs,Inputs},{'query',Query},{timeout,Timeout}]`, as Riak's Erlang client writes it.
 */
import { type ByteString, textOfBytes } from '../../../stdx/index.ts';
import { Atom, DecodeError, decodeTerm, type Term, Tuple, textOfTerm } from '../../../wire/index.ts';
import { bucketOf, keyOfTerm } from './item.ts';
import {
  type JobInputs,
  JobRefusal,
  type MapReduceJob,
  type PhaseFunction,
  type PhaseSpec,
  phasesMax,
} from './job.ts';
import { bound, parseTimeout } from './json-job.ts';
import { parseKeyFilters } from './key-filter.ts';

/** Throws `JobRefusal`. */
export function parseTermJob(bytes: Uint8Array): MapReduceJob {
  const job = decoded(bytes);
  if (!Array.isArray(job)) throw new JobRefusal('object', 'The job is not a list of its parts.');
  const parts = new Map<string, Term>();
  for (const part of job as readonly Term[]) {
    const [name, value] = part instanceof Tuple ? part.elements : [];
    if (name instanceof Atom && value !== undefined) parts.set(name.name, value);
  }
  const inputs = parts.get('inputs');
  const timeoutMs = parseTimeout(parts.get('timeout'));
  return {
    inputs: parseInputs(inputs ?? new Atom('undefined')),
    phases: parseQuery(parts.get('query')),
    timeoutMs,
  };
}

function decoded(bytes: Uint8Array): Term {
  try {
    return decodeTerm(bytes);
  } catch (error) {
    if (error instanceof DecodeError) throw new JobRefusal('term', error.reason);
    throw error;
  }
}

function nameOf(term: Term | undefined): string | undefined {
  return term instanceof Atom ? term.name : undefined;
}

function parseInputs(term: Term): JobInputs {
  if (typeof term === 'string') return { kind: 'bucket', bucket: bucketOf(term)!, filters: [] };
  if (Array.isArray(term)) {
    const keys = (term as readonly Term[]).map((element) => keyOfTerm(element) ?? badInputs(term));
    return { kind: 'keys', keys };
  }
  return term instanceof Tuple ? tupleInputs(term) : badInputs(term);
}

function tupleInputs(term: Tuple): JobInputs {
  const { elements } = term;
  const [first, second] = elements;
  switch (nameOf(first)) {
    case 'index':
      return indexInputs(term);
    case 'search':
      throw new JobRefusal('inputs', 'Search is not available.');
    case 'modfun':
      throw new JobRefusal('inputs', 'Inputs that a module and a function make are not available.');
    default:
      break;
  }
  const bucket = first === undefined ? undefined : bucketOf(first);
  if (elements.length !== 2 || bucket === undefined) return badInputs(term);
  if (typeof second === 'string' && typeof first === 'string') {
    return { kind: 'bucket', bucket: { bucketType: first, bucket: second }, filters: [] };
  }
  return { kind: 'bucket', bucket, filters: parseKeyFilters(listsOf(second!)) };
}

/** Filters may be written as tuples, too. */
function listsOf(term: Term): Term {
  if (term instanceof Tuple) return term.elements.map(listsOf);
  return Array.isArray(term) ? (term as readonly Term[]).map(listsOf) : term;
}

function indexInputs(term: Tuple): JobInputs {
  const [, bucketTerm, index, ...bounds] = term.elements;
  const bucket = bucketTerm === undefined ? undefined : bucketOf(bucketTerm);
  const [start, end] = bounds.map(bound);
  const isGood = bucket !== undefined && typeof index === 'string' && start !== undefined;
  if (!isGood || bounds.length > 2) return badInputs(term);
  if (bounds.length === 1) return { kind: 'index', bucket, index, start };
  return end === undefined ? badInputs(term) : { kind: 'index', bucket, index, start, end };
}

function badInputs(term: Term): never {
  throw new JobRefusal(
    'inputs',
    'Inputs must be a binary bucket, a tuple of bucket and key-filters, a list of target tuples, or a search, index, or modfun tuple:',
    textOfTerm(term),
  );
}

function parseQuery(term: Term | undefined): readonly PhaseSpec[] {
  if (!Array.isArray(term) || term.length > phasesMax) return badQuery(term ?? new Atom('undefined'));
  return (term as readonly Term[]).map(parseStep);
}

function badQuery(term: Term): never {
  throw new JobRefusal('query', 'Query takes a list of step tuples', textOfTerm(term));
}

function parseStep(term: Term): PhaseSpec {
  const [kindTerm, second, third, keep] = term instanceof Tuple ? term.elements : [];
  if (typeof keep !== 'boolean' || second === undefined || third === undefined) return badQuery(term);
  const kind = nameOf(kindTerm);
  switch (kind) {
    case 'link':
      return { kind, bucket: linkPart(second), tag: linkPart(third), isKept: keep };
    case 'map':
    case 'reduce': {
      const arg = nameOf(third) === 'undefined' || nameOf(third) === 'none' ? undefined : third;
      return { kind, function: parseFunction(second), arg, isKept: keep };
    }
    default:
      return badQuery(term);
  }
}

function linkPart(term: Term): ByteString | undefined {
  if (nameOf(term) === '_') return undefined;
  if (typeof term !== 'string') return badQuery(term);
  return term === '_' ? undefined : term;
}

function parseFunction(term: Term): PhaseFunction {
  const [kind, first, second] = term instanceof Tuple ? term.elements : [];
  switch (nameOf(kind)) {
    case 'modfun': {
      const [module, name] = [nameOf(first), nameOf(second)];
      return module === undefined || name === undefined
        ? badQuery(term)
        : { language: 'erlang', module, name };
    }
    case 'jsfun':
      if (typeof first === 'string') return { language: 'javascript', name: textOfBytes(first) };
      return badQuery(term);
    case 'jsanon': {
      if (typeof first === 'string') return { language: 'javascript', source: textOfBytes(first) };
      const stored = first === undefined ? undefined : keyOfTerm(first);
      return stored === undefined ? badQuery(term) : { language: 'javascript', stored: stored.address };
    }
    case 'strfun':
    case 'qfun':
      throw new JobRefusal('query', 'Erlang source cannot be run.');
    default:
      return badQuery(term);
  }
}
