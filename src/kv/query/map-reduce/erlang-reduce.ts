/**
 * The reduce functions of Riak's module `riak_kv_mapreduce`. Each gathers what it needs as inputs come, where Riak
 * calls a function again and again with what it made before: the results are the same, and a sort is one sort.
 */
import { type ByteString, byteLiteral } from '../../../stdx/index.ts';
import { type Term, Tuple } from '../../../wire/index.ts';
import { type Item, ItemError, jsonOf, sizeOf, sizeOfTerm, termItem, termOf } from './item.ts';
import type { JobBudget } from './job-budget.ts';
import { compareTerms, sortedInSteps } from './term-order.ts';

/** What it keeps it enters into the budget, and releases when it has finished; what it returns is not in it. */
export interface Reduction {
  /** What is known to be part of the result already. Throws `ItemError`. */
  push(items: readonly Item[]): readonly Item[];
  finish(): Promise<readonly Item[]>;
}

export const erlangReductions: ReadonlyMap<string, (budget: JobBudget) => Reduction> = new Map<
  string,
  (budget: JobBudget) => Reduction
>([
  ['reduce_identity', () => new Identity()],
  ['reduce_set_union', (budget) => new SetUnion(budget)],
  ['reduce_sort', (budget) => new Sort(budget)],
  ['reduce_sum', () => new Sum()],
  ['reduce_plist_sum', (budget) => new PropertySum(budget)],
  ['reduce_count_inputs', () => new Count()],
  ['reduce_string_to_integer', () => new StringToInteger()],
]);

class Identity implements Reduction {
  push(items: readonly Item[]): readonly Item[] {
    return items;
  }

  async finish(): Promise<readonly Item[]> {
    return [];
  }
}

/** What an element of a set or of a list takes besides its contents, roughly. */
const entryBytes = 64;

class SetUnion implements Reduction {
  readonly #budget: JobBudget;
  readonly #items = new Set<string>();
  #heldBytes = 0;

  constructor(budget: JobBudget) {
    this.#budget = budget;
  }

  push(items: readonly Item[]): readonly Item[] {
    const fresh: Item[] = [];
    for (const item of items) {
      const identity = identityOf(item);
      if (this.#items.has(identity)) continue;
      const bytes = entryBytes + identity.length;
      this.#budget.hold(bytes);
      this.#heldBytes += bytes;
      this.#items.add(identity);
      fresh.push(item);
    }
    return fresh;
  }

  async finish(): Promise<readonly Item[]> {
    this.#items.clear();
    this.#budget.release(this.#heldBytes);
    return [];
  }
}

/** Binaries differ though their JSON may not. */
function identityOf(item: Item): string {
  return item.kind === 'term' && typeof item.term === 'string'
    ? `<<${item.term}`
    : stringIdentity(jsonOf(item));
}

function stringIdentity(json: string): string {
  return json.startsWith('"') ? `<<${termOf({ kind: 'json', text: json }) as ByteString}` : json;
}

class Sort implements Reduction {
  readonly #budget: JobBudget;
  #terms: { readonly term: Term; readonly item: Item }[] = [];
  #heldBytes = 0;

  constructor(budget: JobBudget) {
    this.#budget = budget;
  }

  push(items: readonly Item[]): readonly Item[] {
    for (const item of items) {
      const term = termOf(item);
      const bytes = entryBytes + sizeOf(item) + (item.kind === 'term' ? 0 : sizeOfTerm(term));
      this.#budget.hold(bytes);
      this.#heldBytes += bytes;
      this.#terms.push({ term, item });
    }
    return [];
  }

  async finish(): Promise<readonly Item[]> {
    const budget = this.#budget;
    const pause = async (): Promise<void> => {
      budget.timeLeft();
      await budget.pause();
    };
    const sorted = await sortedInSteps(this.#terms, (a, b) => compareTerms(a.term, b.term), pause);
    this.#terms = [];
    budget.release(this.#heldBytes);
    return sorted.map(({ item }) => item);
  }
}

class Sum implements Reduction {
  #sum = 0;

  push(items: readonly Item[]): readonly Item[] {
    for (const item of items) {
      if (!isMissing(item)) this.#sum += numberOf(termOf(item), 'badarith');
    }
    // As in Erlang, whose floats are finite.
    if (!Number.isFinite(this.#sum)) throw new ItemError('badarith');
    return [];
  }

  async finish(): Promise<readonly Item[]> {
    return [termItem(this.#sum)];
  }
}

/** In JSON as `jsonOfMissing` writes it: a property may be called so, too. */
function isMissing(item: Item): boolean {
  return item.kind === 'not_found' || (item.kind === 'json' && item.text.startsWith('{"not_found":{'));
}

function numberOf(term: Term, mistake: string): number {
  if (typeof term === 'number') return term;
  if (typeof term === 'bigint') return Number(term);
  throw new ItemError(mistake);
}

class PropertySum implements Reduction {
  readonly #budget: JobBudget;
  readonly #sums = new Map<ByteString, number>();
  #heldBytes = 0;

  constructor(budget: JobBudget) {
    this.#budget = budget;
  }

  push(items: readonly Item[]): readonly Item[] {
    for (const item of items) if (!isMissing(item)) this.#add(termOf(item));
    return [];
  }

  async finish(): Promise<readonly Item[]> {
    this.#budget.release(this.#heldBytes);
    return this.#sums.size === 0 ? [] : [termItem(this.#sums)];
  }

  #add(term: Term): void {
    if (term instanceof Map) {
      for (const [name, value] of term as ReadonlyMap<ByteString, Term>) this.#addTo(name, value);
      return;
    }
    const parts =
      term instanceof Tuple ? term.elements : Array.isArray(term) ? (term as readonly Term[]) : [];
    const [name, value] = parts;
    if (parts.length === 2 && typeof name === 'string' && typeof value === 'number') this.#addTo(name, value);
    else if (Array.isArray(term)) for (const element of parts) this.#add(element);
    else throw new ItemError('function_clause');
  }

  #addTo(name: ByteString, value: Term): void {
    const sum = this.#sums.get(name);
    if (sum === undefined) {
      const bytes = 2 * name.length + 32;
      this.#budget.hold(bytes);
      this.#heldBytes += bytes;
    }
    const next = (sum ?? 0) + numberOf(value, 'badarith');
    if (!Number.isFinite(next)) throw new ItemError('badarith');
    this.#sums.set(name, next);
  }
}

class Count implements Reduction {
  #count = 0;

  push(items: readonly Item[]): readonly Item[] {
    this.#count += items.length;
    return [];
  }

  async finish(): Promise<readonly Item[]> {
    return [termItem(this.#count)];
  }
}

const integerForm = /^[+-]?\d{1,15}$/;

class StringToInteger implements Reduction {
  push(items: readonly Item[]): readonly Item[] {
    return items.map((item) => {
      const term = termOf(item);
      const text = Array.isArray(term) ? textOfCharacters(term as readonly Term[]) : term;
      if (typeof text === 'string' && integerForm.test(text)) return termItem(Number(text));
      return termItem(numberOf(term, 'badarg'));
    });
  }

  async finish(): Promise<readonly Item[]> {
    return [];
  }
}

/** Erlang's strings are lists of characters. */
function textOfCharacters(list: readonly Term[]): ByteString {
  const isText =
    list.length <= 16 && list.every((code) => typeof code === 'number' && code >= 0x20 && code <= 0x7e);
  return byteLiteral(isText ? String.fromCharCode(...(list as readonly number[])) : '');
}
