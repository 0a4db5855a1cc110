/**
 * Telling others that the state has moved on: a few each time, who tell others. With every node telling three,
 * a thousand hear of a change in about ten rounds; whom chance leaves out, gossip reaches (Demers et al.,
 * "Epidemic algorithms for replicated database maintenance", 1987).
 */
import type { Environment, NodeId, Timer } from '../../environment/index.ts';

const fanout = 3;
/** What changes meanwhile goes with it. */
const delayMs = 10;

export interface NoticeSpreadParts {
  readonly environment: Pick<Environment, 'timers' | 'random'>;
  readonly others: () => readonly NodeId[];
  readonly notify: (to: NodeId) => void;
}

export class NoticeSpread {
  readonly #parts: NoticeSpreadParts;
  #timer: Timer | undefined;

  constructor(parts: NoticeSpreadParts) {
    this.#parts = parts;
  }

  soon(): void {
    if (this.#timer !== undefined) return;
    const { environment, others, notify } = this.#parts;
    this.#timer = environment.timers.after(delayMs, () => {
      this.#timer = undefined;
      const rest = [...others()];
      for (let i = 0; i < fanout && rest.length > 0; i++) {
        const [to] = rest.splice(environment.random.u32() % rest.length, 1);
        notify(to!);
      }
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
