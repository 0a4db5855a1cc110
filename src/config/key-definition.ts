import type { ValueType } from './value-type.ts';

/** All that is known of one key. Its name is the member name in the schema. */
export interface KeyDefinition<T> {
  readonly type: ValueType<T>;
  readonly default: T;
  /** What it does, for whoever operates a node. One or two sentences. */
  readonly doc: string;
  /** Values at the edge of what works; the simulator may pick any instead of the default. */
  readonly extremes?: readonly T[];
  /** Its value is shown nowhere: not in logs, not in `hale config`. */
  readonly isSecret?: boolean;
  /** A flag of `hale start` for it, beside `-o`. */
  readonly flag?: KeyFlag;
}

export interface KeyFlag {
  /** With its dashes: `--data`. */
  readonly name: string;
  /** Stands for the value in `--help`: `DIR`. */
  readonly placeholder: string;
}

/** Infers the value's type from `type`, and holds the default and the extremes to it. */
export function defineKey<T>(definition: {
  readonly type: ValueType<T>;
  readonly default: NoInfer<T>;
  readonly doc: string;
  readonly extremes?: readonly NoInfer<T>[];
  readonly isSecret?: boolean;
  readonly flag?: KeyFlag;
}): KeyDefinition<T> {
  return definition;
}
