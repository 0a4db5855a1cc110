/**
 * How a node leaves: it serves until it has handed over everything, then turns its clients away, and only then says
 * that it holds nothing more, which is what the cluster waits for before it strikes the node off. In another
 * order it would be answered by nobody while clients still ask it.
 */
import type { ClusterState } from '../core/index.ts';
import type { NodeId, Tasks } from '../environment/index.ts';

export interface DepartureParts {
  readonly self: NodeId;
  readonly tasks: Pick<Tasks, 'spawn'>;
  readonly state: () => ClusterState;
  /** To all members: whether this node may hold data that belongs to others. */
  readonly tell: (hasStrays: boolean) => void;
}

export class Departure {
  readonly #parts: DepartureParts;
  #turnAway: () => Promise<void> = () => Promise.resolve();
  #hasStrays = true;
  #told = true;
  /** `turning`: clients are being turned away; `done`: nobody asks this node any more. */
  #stage: 'serving' | 'turning' | 'done' = 'serving';

  constructor(parts: DepartureParts) {
    this.#parts = parts;
  }

  /** What turns clients away; it resolves when none of their requests is in progress. Without it nobody has clients. */
  onLeave(turnAway: () => Promise<void>): void {
    this.#turnAway = turnAway;
  }

  strays(hasStrays: boolean): void {
    this.#hasStrays = hasStrays;
    this.look();
  }

  /** The state of the cluster has changed. */
  look(): void {
    const { self, state, tasks } = this.#parts;
    const status = state().members.get(self)?.status;
    if (status === 'exiting' && !this.#hasStrays && this.#stage === 'serving') {
      this.#stage = 'turning';
      tasks.spawn('turn clients away', async () => {
        await this.#turnAway();
        this.#stage = 'done';
        this.look();
      });
    }
    const isGoing = status === 'leaving' || status === 'exiting';
    const told = this.#hasStrays || (isGoing && this.#stage !== 'done');
    if (told === this.#told) return;
    this.#told = told;
    this.#parts.tell(told);
  }
}
