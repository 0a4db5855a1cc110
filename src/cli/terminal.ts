/** The two output streams of a command, and whether people read them. */
import type { Buffer } from 'node:buffer';

export interface Terminal {
  out(text: string | Buffer): void;
  error(text: string): void;
  /** People look at standard output, and it can be drawn over. */
  readonly isInteractive: boolean;
  /** Shows `text` in the place of everything. On an interactive terminal alone. */
  redraw(text: string): void;
  /** Emphasis, or the text as it is where colours are not wanted (https://no-color.org). */
  bold(text: string): string;
  dim(text: string): string;
}

export function processTerminal(): Terminal {
  const isInteractive = process.stdout.isTTY === true && process.env.TERM !== 'dumb';
  const hasColour = isInteractive && !process.env.NO_COLOR;
  const styled = (code: number, text: string) => (hasColour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    isInteractive,
    // Home, then clear what is below: without a flash of emptiness.
    redraw: (text) => void process.stdout.write(`\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J`),
    bold: (text) => styled(1, text),
    dim: (text) => styled(2, text),
  };
}

/** Names and values come from strangers: what would steer the terminal is shown as U+FFFD. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd');
}
