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

  saw(name: string, object: VersionedObject): void {
    for (const { dot, content } of object.siblings) {
      if (dot === undefined) continue;
      const slot = `${name} ${Buffer.from(dot.actor, 'latin1').toString('hex')}:${dot.counter}`;
      const bytes = byteStringOf(content);
      const known = this.#contents.get(slot);
      if (known === undefined) this.#contents.set(slot, bytes);
      else if (known !== bytes) this.#violations.push(`A2: dot ${slot} names two writes`);
    }
  }

  get dots(): number {
    return this.#contents.size;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }
}
