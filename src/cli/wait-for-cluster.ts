/** `--wait`: looks at the cluster until what was asked for has come true. */
import type { OverviewView } from '../server/index.ts';
import { adminGet } from './admin-request.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { progressBar, spanText } from './quantity-text.ts';
import type { Terminal } from './terminal.ts';

const lookMs = 250;
/** Where rates are steady, a guess of the time left is worth showing. */
const progressSecondsMin = 2;

export interface Waiting {
  readonly at: string;
  readonly timeoutMs: number;
  /** Completes "after N s: …", for who waited in vain. */
  readonly unless: string;
  readonly isDone: (view: OverviewView) => boolean;
  /** The node that is asked may go away, as one that leaves does: given what it said last, that is the end. */
  readonly mayGo?: (last: OverviewView) => boolean;
}

export async function waitForCluster(terminal: Terminal, waiting: Waiting): Promise<void> {
  const began = performance.now();
  const progress = new MoveProgress(terminal);
  let last: OverviewView | undefined;
  for (;;) {
    try {
      last = await adminGet<OverviewView>(waiting.at, 'cluster');
    } catch (error) {
      const isGone = error instanceof CommandFailure && error.exitCode === exitCodes.unreachable;
      if (isGone && last !== undefined && waiting.mayGo?.(last) === true) return;
      throw error;
    }
    if (waiting.isDone(last)) {
      progress.end();
      return;
    }
    if (performance.now() - began > waiting.timeoutMs) {
      const seconds = spanText(waiting.timeoutMs / 1000);
      throw new CommandFailure(exitCodes.waitedInVain, `after ${seconds}: ${waiting.unless}`);
    }
    progress.show(movesLeft(last), (performance.now() - began) / 1000);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

export function movesLeft({ moves }: OverviewView): number {
  return moves.planned + moves.copying + moves.switched + moves.released;
}

/** Nothing moves, and nobody is on the way in (but for who has not been planned) or out. */
export function isAtRest(view: OverviewView): boolean {
  const isGoing = view.members.some(({ status }) => status === 'leaving' || status === 'exiting');
  return movesLeft(view) === 0 && !isGoing;
}

/** One line that is drawn over on a terminal; elsewhere a line for each tenth. */
class MoveProgress {
  readonly #terminal: Terminal;
  #total = 0;
  #tenth = -1;
  #isDrawn = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(left: number, seconds: number): void {
    this.#total = Math.max(this.#total, left);
    if (this.#total === 0) return;
    const done = this.#total - left;
    const isGuessed = done > 0 && seconds >= progressSecondsMin;
    const time = isGuessed ? `  about ${spanText((seconds * left) / done)} left` : '';
    const text = `${progressBar(done, this.#total)}  ${left} partitions to go${time}`;
    if (this.#terminal.isInteractive) {
      this.#terminal.error(`\r${text}\u001b[K`);
      this.#isDrawn = true;
      return;
    }
    const tenth = Math.floor((10 * done) / this.#total);
    if (tenth !== this.#tenth) this.#terminal.error(`${text}\n`);
    this.#tenth = tenth;
  }

  end(): void {
    if (this.#isDrawn) this.#terminal.error('\r\u001b[K');
  }
}
