/** Asking nodes how far they are, and whether the voters have a leader: before a `recover`, and for people. */
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import type { ClusterMessage } from './cluster-message.ts';
import type { StatePlace } from './proposal.ts';

export interface Survey {
  readonly at: StatePlace;
  readonly isLed: boolean;
}

export interface SurveysParts {
  readonly environment: Pick<Environment, 'timers'>;
  readonly send: (to: NodeId, message: ClusterMessage) => void;
}

interface Asking {
  readonly of: NodeId;
  readonly finish: (survey: Survey | undefined) => void;
  readonly again: Timer;
  readonly end: Timer;
}

export class Surveys {
  readonly #parts: SurveysParts;
  readonly #asking = new Map<number, Asking>();
  #lastToken = 0;

  constructor(parts: SurveysParts) {
    this.#parts = parts;
  }

  /** Undefined: no answer in time. A question that is lost is asked once more. */
  ask(of: NodeId, timeoutMs: number): Promise<Survey | undefined> {
    const { environment, send } = this.#parts;
    this.#lastToken += 1;
    const token = this.#lastToken;
    const question = { kind: 'survey', token } as const;
    return new Promise((finish) => {
      const again = environment.timers.after(timeoutMs / 2, () => send(of, question));
      const end = environment.timers.after(timeoutMs, () => this.#finish(token, undefined));
      this.#asking.set(token, { of, finish, again, end });
      send(of, question);
    });
  }

  answered(from: NodeId, { token, at, isLed }: Extract<ClusterMessage, { kind: 'surveyed' }>): void {
    if (this.#asking.get(token)?.of === from) this.#finish(token, { at, isLed });
  }

  close(): void {
    for (const token of [...this.#asking.keys()]) this.#finish(token, undefined);
  }

  #finish(token: number, survey: Survey | undefined): void {
    const asking = this.#asking.get(token);
    if (asking === undefined) return;
    this.#asking.delete(token);
    asking.again.cancel();
    asking.end.cancel();
    asking.finish(survey);
  }
}
