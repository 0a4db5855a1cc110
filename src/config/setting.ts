/** One key set by one source, before it is known to be right. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string; readonly line: number }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string };

export interface Setting {
  readonly key: string;
  /** The value as text; a TOML or JSON number or boolean is turned into its text. */
  readonly text: string;
  readonly origin: Origin;
}

/** What is wrong with a setting, or with a file as a whole (then without a key). */
export interface Problem {
  readonly origin: Origin;
  readonly key?: string;
  readonly text?: string;
  /** A clause: "must be …", "is not a key". */
  readonly rule: string;
}

/** What a source says, and what could not be understood of it. */
export interface Reading {
  readonly settings: readonly Setting[];
  readonly problems: readonly Problem[];
}

export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'file':
      return `${origin.path}:${origin.line}`;
    case 'environment':
      return origin.variable;
    case 'flag':
      return origin.flag;
  }
}

const shownTextMax = 80;

/** One line: where, what, and the rule. `hale.conf:3: ring_size = 100: must be a power of two from 8 to 1024` */
export function problemText(problem: Problem): string {
  const { key, text } = problem;
  const where = originText(problem.origin);
  if (key === undefined) return `${where}: ${problem.rule}`;
  if (text === undefined) return `${where}: ${key} ${problem.rule}`;
  const shown = text.length > shownTextMax ? `${text.slice(0, shownTextMax)}…` : text;
  return `${where}: ${key} = ${JSON.stringify(shown)}: ${problem.rule}`;
}
