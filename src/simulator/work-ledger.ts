/**
 * How much a run did. A simulation in which nothing happened finds nothing and passes; so every
 * scenario says how much work makes a run worth its name.
 */
export class WorkLedger {
  readonly #done = new Map<string, number>();
  readonly #required = new Map<string, number>();

  add(work: string, amount = 1): void {
    this.#done.set(work, this.done(work) + amount);
  }

  done(work: string): number {
    return this.#done.get(work) ?? 0;
  }

  /** Fails the run, at its end, if less was done. */
  atLeast(work: string, amount: number): void {
    this.#required.set(work, amount);
  }

  get isEmpty(): boolean {
    return this.#required.size === 0;
  }

  /** One sentence per requirement that was not met. */
  unmet(): readonly string[] {
    const short = [...this.#required].filter(([work, amount]) => this.done(work) < amount);
    return short.map(([work, amount]) => `did ${this.done(work)} ${work}, not ${amount}`);
  }

  summary(): string {
    return [...this.#done].map(([work, amount]) => `${amount} ${work}`).join(', ');
  }
}
