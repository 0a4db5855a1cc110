/**
 * The last commands that were folded, for peers that are a little behind: entries are smaller than the state.
 */
import type { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';

export interface RecentCommandsLimits {
  readonly commandsMax: number;
  readonly bytesMax: number;
}

export const recentCommandsLimits: RecentCommandsLimits = { commandsMax: 1000, bytesMax: 1024 * 1024 };

export class RecentCommands {
  readonly #limits: RecentCommandsLimits;
  #commands: Buffer[] = [];
  /** The epoch before the first of them. */
  #base = 0;
  #bytes = 0;

  constructor(limits: RecentCommandsLimits = recentCommandsLimits) {
    this.#limits = limits;
  }

  /** Forgets all: the state was replaced, and is of this epoch now. */
  restart(epoch: number): void {
    this.#commands = [];
    this.#base = epoch;
    this.#bytes = 0;
  }

  push(epoch: number, command: Buffer): void {
    assert(epoch === this.#base + this.#commands.length + 1, 'epochs are consecutive');
    this.#commands.push(command);
    this.#bytes += command.length;
    const { commandsMax, bytesMax } = this.#limits;
    while (this.#commands.length > commandsMax || this.#bytes > bytesMax) {
      this.#bytes -= this.#commands.shift()!.length;
      this.#base += 1;
    }
  }

  /** What follows `epoch`, at least one and up to `bytesMax`; undefined if it is not here any more. */
  after(epoch: number, bytesMax: number): readonly Buffer[] | undefined {
    const from = epoch - this.#base;
    if (from < 0 || from >= this.#commands.length) return undefined;
    const taken: Buffer[] = [];
    let bytes = 0;
    for (let i = from; i < this.#commands.length; i++) {
      bytes += this.#commands[i]!.length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(this.#commands[i]!);
    }
    return taken;
  }
}
