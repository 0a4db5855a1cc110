/** What the process of a test file tells the runner. */
export type TestReport =
  /** By `context.diagnostic`. Told when its test has ended. */
  | { readonly kind: 'noted'; readonly text: string }
  | { readonly kind: 'started'; readonly name: string; readonly nesting: number }
  | {
      readonly kind: 'passed' | 'skipped';
      readonly name: string;
      readonly nesting: number;
      readonly isSuite: boolean;
    }
  | {
      readonly kind: 'failed';
      readonly name: string;
      readonly nesting: number;
      readonly isSuite: boolean;
      readonly line: number | undefined;
      readonly stack: string;
      /** It failed only because a test inside it did. */
      readonly isOfChild: boolean;
    };

export interface TestFailure {
  readonly name: string;
  readonly reason: string;
}

/** Gathers the reports of one file: how many passed, what failed, what is running. */
export class TestTally {
  #passed = 0;
  readonly #failures: TestFailure[] = [];
  readonly #notes: string[] = [];
  /** Names of tests that started and have not ended, per nesting. */
  readonly #running: { name: string; nesting: number }[] = [];

  add(report: TestReport): void {
    if (report.kind === 'started') {
      this.#running.push({ name: report.name, nesting: report.nesting });
      return;
    }
    if (report.kind === 'noted') {
      this.#notes.push(report.text);
      return;
    }
    const at = this.#running.findIndex((t) => t.name === report.name && t.nesting === report.nesting);
    if (at >= 0) this.#running.splice(at, 1);
    if (report.kind === 'skipped') {
      this.#failures.push({ name: report.name, reason: 'skipped: a test that does not run proves nothing' });
    } else if (report.kind === 'failed') {
      if (!report.isOfChild) this.#failures.push({ name: report.name, reason: report.stack });
    } else if (!report.isSuite) {
      this.#passed += 1;
    }
  }

  get passed(): number {
    return this.#passed;
  }

  get failures(): readonly TestFailure[] {
    return this.#failures;
  }

  /** What tests have measured, in their words. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Tests that have not ended, outermost first. */
  get running(): readonly string[] {
    return this.#running.map(({ name }) => name);
  }
}
