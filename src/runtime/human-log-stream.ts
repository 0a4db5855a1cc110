/** Turns pino's JSON lines into lines for people: `12:30:01.250 warn  disk is slow  ms=412`. */

const colours = new Map([
  ['debug', '\u001b[2m'],
  ['info', '\u001b[32m'],
  ['warn', '\u001b[33m'],
  ['error', '\u001b[31m'],
]);
const colourEnd = '\u001b[0m';

export class HumanLogStream {
  readonly #writeLine: (line: string) => void;
  readonly #isColoured: boolean;

  constructor(writeLine: (line: string) => void, isColoured: boolean) {
    this.#writeLine = writeLine;
    this.#isColoured = isColoured;
  }

  write(json: string): void {
    const { time, level, message, ...fields } = JSON.parse(json) as Record<string, unknown>;
    const clockTime = String(time).slice('2000-01-01T'.length, -'Z'.length);
    const words = [clockTime, this.#colouredLevel(String(level)), printable(String(message))];
    const pairs = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
    if (pairs.length > 0) words.push('', ...pairs);
    this.#writeLine(`${words.join(' ')}\n`);
  }

  #colouredLevel(level: string): string {
    const padded = level.padEnd('debug'.length);
    return this.#isColoured ? `${colours.get(level) ?? ''}${padded}${colourEnd}` : padded;
  }
}

/** Stack traces stay readable: a value with lines starts on its own line. */
function fieldText(value: unknown): string {
  const text = printable(String(value));
  if (text.includes('\n')) return `\n  ${text.replaceAll('\n', '\n  ')}`;
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

/** Names come from strangers: an escape sequence in one must not reach the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes.
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}
