/** Writes that the new owner of a partition must still get: bounded, since it may be away for long. */

export interface MissedWritesLimits {
  /** Of one partition. */
  readonly countMax: number;
  readonly bytesMax: number;
}

export class MissedWrites<Request> {
  readonly #limits: MissedWritesLimits;
  readonly #bytesOf: (request: Request) => number;
  #requests: Request[] = [];
  #bytes = 0;
  /** Taken out to be sent, and not known to have arrived. */
  #underWay = 0;
  #hasOverflowed = false;

  constructor(limits: MissedWritesLimits, bytesOf: (request: Request) => number) {
    this.#limits = limits;
    this.#bytesOf = bytesOf;
  }

  /** Some were dropped: only copying everything anew makes up for it. */
  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  get count(): number {
    return this.#requests.length + this.#underWay;
  }

  get isSettled(): boolean {
    return this.count === 0 && !this.#hasOverflowed;
  }

  add(request: Request): void {
    if (this.#hasOverflowed) return;
    const bytes = this.#bytesOf(request);
    const { countMax, bytesMax } = this.#limits;
    if (this.count >= countMax || this.#bytes + bytes > bytesMax) {
      this.#hasOverflowed = true;
      this.#requests = [];
      this.#bytes = 0;
      return;
    }
    this.#requests.push(request);
    this.#bytes += bytes;
  }

  /** To send it; `arrived` or `failed` says what became of it. */
  take(): Request | undefined {
    const request = this.#requests.shift();
    if (request === undefined) return undefined;
    this.#bytes -= this.#bytesOf(request);
    this.#underWay += 1;
    return request;
  }

  arrived(): void {
    this.#underWay -= 1;
  }

  failed(request: Request): void {
    this.#underWay -= 1;
    this.add(request);
  }
}
