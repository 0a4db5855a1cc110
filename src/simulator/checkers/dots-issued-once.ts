/**
 * Invariant A2: a dot names one write of a key for ever, whatever was lost. Told of every object that
 * clients or the platter ever showed, it remembers which content stood under which dot.
 */

import { Buffer } from 'node:buffer';
import type { VersionedObject } from '../../kv/index.ts';
import { byteStringOf } from '../../stdx/index.ts';

export class DotsIssuedOnce {
  readonly #contents = new Map<string, string>();
  readonly #violations: string[] = [];
  /** By key and content, which has a tag of its write alone: the dot that it was first seen with. */
  readonly #firstDots = new Map<string, string>();
  readonly #twins = new Map<string, Map<string, Buffer>>();

  saw(name: string, object: VersionedObject): void {
    for (const { dot, content } of object.siblings) {
      if (dot === undefined) continue;
      const slot = `${name} ${Buffer.from(dot.actor, 'latin1').toString('hex')}:${dot.counter}`;
      const bytes = byteStringOf(content);
      this.#lookForTwin(name, content, slot);
      const known = this.#contents.get(slot);
      if (known === undefined) this.#contents.set(slot, bytes);
      else if (known !== bytes) this.#violations.push(`A2: dot ${slot} names two writes`);
    }
  }

  /** Contents of the key under two dots: writes that two nodes coordinated (docs/internals/put-and-get.md, F4). */
  twinsOf(name: string): readonly Buffer[] {
    return [...(this.#twins.get(name)?.values() ?? [])];
  }

  #lookForTwin(name: string, content: Buffer, slot: string): void {
    const written = `${name} ${byteStringOf(content)}`;
    const first = this.#firstDots.get(written);
    if (first === undefined) this.#firstDots.set(written, slot);
    if (first === undefined || first === slot) return;
    const known = this.#twins.get(name);
    if (known === undefined) this.#twins.set(name, new Map([[written, content]]));
    else known.set(written, content);
  }

  get dots(): number {
    return this.#contents.size;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }
}
