/**
 * What V8 is told to do otherwise than by itself. It takes code that was kept only under the flags under which that was made.
 */
import { setFlagsFromString } from 'node:v8';

/** V8's own values. A filter is a pattern of names of functions: `*` is all, `~` none. */
const usual = {
  /** 0: V8 decides. */
  'heap-growing-percent': '0',
  'semi-space-growth-factor': '2',
  'sparkplug-filter': '*',
  'maglev-filter': '*',
  'turbo-filter': '*',
} as const;

export type V8Flag = keyof typeof usual;
type Values = Readonly<Record<V8Flag, string>>;

/** Of the process: there is one. */
export class V8Flags {
  #values: Values = usual;

  set(values: Partial<Values>): void {
    this.#tell({ ...this.#values, ...values });
  }

  /** To what is usual. */
  reset(...flags: readonly V8Flag[]): void {
    this.#tell({ ...this.#values, ...Object.fromEntries(flags.map((flag) => [flag, usual[flag]])) });
  }

  /** What does some work under the flags of this moment, whenever it is called. */
  nowFor(work: () => void): () => void {
    const values = this.#values;
    return () => {
      const before = this.#values;
      this.#tell(values);
      try {
        work();
      } finally {
        this.#tell(before);
      }
    };
  }

  #tell(values: Values): void {
    for (const flag of Object.keys(usual) as readonly V8Flag[]) {
      if (values[flag] !== this.#values[flag]) setFlagsFromString(`--${flag}=${values[flag]}`);
    }
    this.#values = values;
  }
}
