/** `--watch`: the same question again and again; redrawn on a terminal, a line for each change elsewhere. */
import { printable, type Terminal } from './terminal.ts';

const lookMs = 1000;

export interface Shown<View> {
  readonly fetch: () => Promise<View>;
  /** The whole, for a terminal. */
  readonly text: (view: View) => string;
  /** One line. */
  readonly line: (view: View) => string;
}

export interface ShowOptions {
  readonly json: boolean;
  readonly watch: boolean;
}

/** With `watch` it ends by a signal, or with `CommandFailure` when the node goes away. */
export async function show<View>(
  terminal: Terminal,
  { fetch, text, line }: Shown<View>,
  options: ShowOptions,
): Promise<void> {
  if (!options.watch) {
    const view = await fetch();
    terminal.out(options.json ? `${JSON.stringify(view, undefined, 2)}\n` : text(view));
    return;
  }
  let last = '';
  for (;;) {
    const view = await fetch();
    if (terminal.isInteractive && !options.json) terminal.redraw(text(view));
    else {
      const now = options.json ? JSON.stringify(view) : printable(line(view));
      if (now !== last) terminal.out(`${now}\n`);
      last = now;
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
