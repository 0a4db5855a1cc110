/**
 * Key filters: a chain of steps that a key of a bucket passes or not. A transform changes what the next step sees, a
 * predicate lets it pass or not; the job gets the key as it is. What a transform cannot be applied to does not pass.
 *
 * Numbers and strings compare as Erlang's terms: every number is less than every string.
 */
import { type ByteString, byteLiteral, byteStringOf, bytesOfText, textOfBytes } from '../../../stdx/index.ts';
import type { Term } from '../../../wire/index.ts';
import { compilePattern, patternSizeMax } from '../term-pattern.ts';
import { JobRefusal } from './job.ts';

type Tested = ByteString | number;

/** What the next step sees; undefined: the key does not pass. */
type Step = (value: Tested) => Tested | undefined;

export interface KeyFilter {
  readonly step: Step;
}

/** Of a job, those within `and`, `or` and `not` counted. */
export const filterStepsMax = 256;
/** `and`, `or` and `not` within each other. */
const nestingMax = 16;
const similarTextMax = 1024;
const editDistanceMax = 128;

export function passesFilters(key: ByteString, filters: readonly KeyFilter[]): boolean {
  return applied(key, filters) !== undefined;
}

function applied(value: Tested, filters: readonly KeyFilter[]): Tested | undefined {
  let seen: Tested | undefined = value;
  for (const { step } of filters) {
    seen = step(seen);
    if (seen === undefined) return undefined;
  }
  return seen;
}

/** What one key may cost: of all filters of a job together. */
interface FilterCost {
  steps: number;
  /** Instructions of regular expressions. */
  patternSize: number;
}

/** Throws `JobRefusal`. */
export function parseKeyFilters(terms: Term): readonly KeyFilter[] {
  return parseChain(terms, 0, { steps: 0, patternSize: 0 });
}

function parseChain(terms: Term, depth: number, cost: FilterCost): readonly KeyFilter[] {
  if (!Array.isArray(terms)) refuse('Key filters must be a list of lists.');
  cost.steps += (terms as readonly Term[]).length;
  if (cost.steps > filterStepsMax || depth > nestingMax) refuse('Too many key filters.');
  return (terms as readonly Term[]).map((term) => ({ step: parseStep(term, depth, cost) }));
}

function refuse(reason: string): never {
  throw new JobRefusal('inputs', reason);
}

function parseStep(term: Term, depth: number, cost: FilterCost): Step {
  const [name, ...args] = Array.isArray(term) ? (term as readonly Term[]) : [];
  if (typeof name !== 'string') return refuse('A key filter is a list that begins with its name.');
  const make = steps.get(name);
  if (make === undefined) return refuse(`Unknown key filter: ${textOfBytes(name)}`);
  return make(args, { name, depth, cost });
}

interface Place {
  readonly name: string;
  readonly depth: number;
  readonly cost: FilterCost;
}

type MakeStep = (args: readonly Term[], place: Place) => Step;

const steps: ReadonlyMap<string, MakeStep> = new Map<string, MakeStep>([
  ['int_to_string', transform((value) => (typeof value === 'number' ? textOfNumber(value) : undefined))],
  ['float_to_string', transform((value) => (typeof value === 'number' ? textOfNumber(value) : undefined))],
  ['string_to_int', transform((value) => numberOf(value, /^[+-]?\d{1,15}$/))],
  ['string_to_float', transform((value) => numberOf(value, /^[+-]?\d{1,30}\.\d{1,30}([eE][+-]?\d{1,3})?$/))],
  ['to_upper', transform((value) => changedText(value, (text) => text.toUpperCase()))],
  ['to_lower', transform((value) => changedText(value, (text) => text.toLowerCase()))],
  ['urldecode', transform((value) => (typeof value === 'string' ? urlDecoded(value) : undefined))],
  ['tokenize', tokenize],
  ['greater_than', comparison((order) => order > 0)],
  ['less_than', comparison((order) => order < 0)],
  ['greater_than_eq', comparison((order) => order >= 0)],
  ['less_than_eq', comparison((order) => order <= 0)],
  ['eq', comparison((order) => order === 0)],
  ['neq', comparison((order) => order !== 0)],
  ['between', between],
  ['set_member', setMember],
  ['matches', matches],
  ['similar_to', similarTo],
  ['starts_with', textTest((text, part) => text.startsWith(part))],
  ['ends_with', textTest((text, part) => text.endsWith(part))],
  ['and', (args, place) => every(chainsOf(args, place))],
  ['or', (args, place) => some(chainsOf(args, place))],
  ['not', (args, place) => not(chainsOf(args, place))],
]);

function transform(change: Step): MakeStep {
  return (args, { name }) => (args.length === 0 ? change : refuse(`${name} takes no arguments.`));
}

function textOfNumber(value: number): ByteString {
  return byteLiteral(String(value));
}

function numberOf(value: Tested, form: RegExp): number | undefined {
  return typeof value === 'string' && form.test(value) ? Number(value) : undefined;
}

function changedText(value: Tested, change: (text: string) => string): ByteString | undefined {
  return typeof value === 'string' ? bytesOfText(change(textOfBytes(value))) : undefined;
}

function urlDecoded(text: ByteString): ByteString {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const digits = text.slice(at + 1, at + 3);
    if (text[at] === '%' && /^[\da-fA-F]{2}$/.test(digits)) {
      bytes.push(Number.parseInt(digits, 16));
      at += 2;
    } else bytes.push(text[at] === '+' ? 0x20 : text.charCodeAt(at));
  }
  return byteStringOf(Uint8Array.from(bytes));
}

/** As Erlang's `string:tokens`: any character of the separator parts, and empty tokens do not count. */
function tokenize(args: readonly Term[], { name }: Place): Step {
  const [separators, position] = args;
  if (typeof separators !== 'string' || !Number.isInteger(position) || args.length !== 2) {
    return refuse(`${name} takes separators and the number of a token, which begins at 1.`);
  }
  const parts = new Set(separators);
  return (value) => (typeof value === 'string' ? tokenOf(value, parts, position as number) : undefined);
}

function tokenOf(
  text: ByteString,
  separators: ReadonlySet<string>,
  position: number,
): ByteString | undefined {
  let token = '';
  let found = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const isInside = at < text.length && !separators.has(text[at]!);
    if (isInside) token += text[at]!;
    else if (token !== '') {
      found += 1;
      if (found === position) return byteLiteral(token);
      token = '';
    }
  }
  return undefined;
}

function testedOf(term: Term | undefined, name: string): Tested {
  if (typeof term === 'string' || typeof term === 'number') return term;
  return refuse(`${name} takes numbers or strings.`);
}

function compare(a: Tested, b: Tested): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function predicate(holds: (value: Tested) => boolean): Step {
  return (value) => (holds(value) ? value : undefined);
}

function comparison(holds: (order: number) => boolean): MakeStep {
  return (args, { name }) => {
    const bound = testedOf(args.length === 1 ? args[0] : undefined, name);
    return predicate((value) => holds(compare(value, bound)));
  };
}

function between(args: readonly Term[], { name }: Place): Step {
  const low = testedOf(args[0], name);
  const high = testedOf(args[1], name);
  const inclusive = args[2] ?? true;
  if (typeof inclusive !== 'boolean' || args.length > 3) {
    return refuse(`${name} takes two bounds and whether they are included.`);
  }
  const least = inclusive ? 0 : 1;
  return predicate((value) => compare(value, low) >= least && compare(high, value) >= least);
}

function setMember(args: readonly Term[], { name }: Place): Step {
  const members = new Set(args.map((arg) => testedOf(arg, name)));
  return predicate((value) => members.has(value));
}

/** In time linear in the key: no expression that a stranger sends holds up the node. */
function matches(args: readonly Term[], { name, cost }: Place): Step {
  const [pattern] = args;
  if (typeof pattern !== 'string' || args.length !== 1)
    return refuse(`${name} takes one regular expression.`);
  const compiled = compilePattern(textOfBytes(pattern));
  if (typeof compiled === 'string') return refuse(`${name}: ${compiled}`);
  cost.patternSize += compiled.size;
  if (cost.patternSize > patternSizeMax)
    refuse(`${name}: all of the job together are too large when compiled`);
  return predicate((value) => typeof value === 'string' && compiled.matches(textOfBytes(value)));
}

function textTest(holds: (text: ByteString, part: ByteString) => boolean): MakeStep {
  return (args, { name }) => {
    const [part] = args;
    if (typeof part !== 'string' || args.length !== 1) return refuse(`${name} takes one string.`);
    return predicate((value) => typeof value === 'string' && holds(value, part));
  };
}

function similarTo(args: readonly Term[], { name }: Place): Step {
  const [text, distance] = args;
  const isGood = typeof text === 'string' && text.length <= similarTextMax && args.length === 2;
  const isDistance = typeof distance === 'number' && Number.isInteger(distance) && distance >= 0;
  if (!isGood || !isDistance || distance > editDistanceMax) {
    return refuse(`${name} takes a string and a distance of at most ${editDistanceMax}.`);
  }
  return predicate((value) => typeof value === 'string' && isSimilar(value, text, distance));
}

/** Whether the Levenshtein distance is at most `distance`: only the diagonal band so wide is looked at (Ukkonen, 1985). */
export function isSimilar(a: string, b: string, distance: number): boolean {
  if (Math.abs(a.length - b.length) > distance) return false;
  const far = distance + 1;
  let above = new Array<number>(b.length + 1);
  for (let j = 0; j <= b.length; j += 1) above[j] = Math.min(j, far);
  for (let i = 1; i <= a.length; i += 1) {
    const row = new Array<number>(b.length + 1).fill(far);
    row[0] = Math.min(i, far);
    const from = Math.max(1, i - distance);
    const to = Math.min(b.length, i + distance);
    for (let j = from; j <= to; j += 1) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(far, changed, above[j]! + 1, row[j - 1]! + 1);
    }
    above = row;
  }
  return above[b.length]! <= distance;
}

function chainsOf(args: readonly Term[], { name, depth, cost }: Place): Chains {
  if (args.length === 0 || args.length > filterStepsMax) refuse(`${name} takes lists of key filters.`);
  return args.map((arg) => parseChain(arg, depth + 1, cost));
}

type Chains = readonly (readonly KeyFilter[])[];

function every(chains: Chains): Step {
  return predicate((value) => chains.every((chain) => applied(value, chain) !== undefined));
}

function some(chains: Chains): Step {
  return predicate((value) => chains.some((chain) => applied(value, chain) !== undefined));
}

function not(chains: Chains): Step {
  return predicate((value) => chains.every((chain) => applied(value, chain) === undefined));
}
