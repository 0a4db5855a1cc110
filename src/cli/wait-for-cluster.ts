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
  /** If the node that is asked goes away, and no other can be asked: given what it said last, whether that is the end. */
  readonly mayGo?: (last: OverviewView) => boolean;
}

export async function waitForCluster(terminal: Terminal, waiting: Waiting): Promise<void> {
  const began = performance.now();
  const progress = new MoveProgress(terminal);
  let at = waiting.at;
  let last: OverviewView | undefined;
  for (;;) {
    const answer = await overviewFrom(at, last);
    if (answer === undefined && last !== undefined && waiting.mayGo?.(last) === true) return;
    if (answer === undefined) throw new CommandFailure(exitCodes.unreachable, `no node answers at ${at}`);
    at = answer.at;
    last = answer.view;
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

/**
 * What the node at `at` says, or the next member of whom it is known where to ask: one that leaves turns everybody
 * away before it is gone. Administration answers on its own machine alone, so often there is none.
 */
async function overviewFrom(
  at: string,
  last: OverviewView | undefined,
): Promise<{ readonly at: string; readonly view: OverviewView } | undefined> {
  const others = (last?.members ?? []).flatMap(({ http }) => (http === null ? [] : [`http://${http}`]));
  for (const url of [at, ...others]) {
    try {
      return { at: url, view: await adminGet<OverviewView>(url, 'cluster') };
    } catch (error) {
      const isElsewhere = url !== at && error instanceof CommandFailure;
      const isGone = error instanceof CommandFailure && error.exitCode === exitCodes.unreachable;
      if (!isElsewhere && !isGone) throw error;
    }
  }
  return undefined;
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
