/**
 * What is under way, by a number that it is given: for entries that come and go by the thousand a second.
 *
 * Not a `Map`: V8 replaces the table of one whenever that is full of entries that were removed, and leaves in the old table those
 * that were there. Once a table has lived long enough to lie among old objects, so do all that follow it, and what they hold
 * survives each collection of the young until one of everything: two nodes spent a quarter of their time on copying requests
 * that had been answered. Here an entry's place is overwritten.
 *
 * Numbers are of 32 bits and count up, so one that was removed is not given to another soon.
 */
const slotsMin = 64;

export class SlotTable<Entry extends object> {
  #slots: (Entry | undefined)[] = new Array(slotsMin).fill(undefined);
  /** By slot: the number of its entry. */
  #numbers = new Uint32Array(slotsMin);
  #size = 0;
  #last = 0;

  get size(): number {
    return this.#size;
  }

  /** A number that nobody has; it is `set`, or lost. */
  next(): number {
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#slots[this.#slotOf(this.#last)] !== undefined);
    return this.#last;
  }

  /** `number` is what `next` gave last. */
  set(number: number, entry: Entry): void {
    const slot = this.#slotOf(number);
    this.#slots[slot] = entry;
    this.#numbers[slot] = number;
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length) this.#grow();
  }

  get(number: number): Entry | undefined {
    const slot = this.#slotOf(number);
    return this.#numbers[slot] === number ? this.#slots[slot] : undefined;
  }

  delete(number: number): boolean {
    if (this.get(number) === undefined) return false;
    this.#slots[this.#slotOf(number)] = undefined;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#slots.fill(undefined);
    this.#size = 0;
  }

  /** In no particular order. */
  entries(): readonly Entry[] {
    return this.#slots.filter((entry) => entry !== undefined);
  }

  #slotOf(number: number): number {
    return number & (this.#slots.length - 1);
  }

  /** Numbers that differ by their last bits differ by one more of them. */
  #grow(): void {
    const [slots, numbers] = [this.#slots, this.#numbers];
    this.#slots = new Array(slots.length * 2).fill(undefined);
    this.#numbers = new Uint32Array(numbers.length * 2);
    for (let from = 0; from < slots.length; from += 1) {
      const slot = this.#slotOf(numbers[from]!);
      if (slots[from] === undefined) continue;
      this.#slots[slot] = slots[from];
      this.#numbers[slot] = numbers[from]!;
    }
  }
}
