/** One node of a development cluster: a process of its own, that does not outlive this one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DevPorts } from './dev-record.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

const mainFile = fileURLToPath(new URL('./main.js', import.meta.url));
const lastWordsLengthMax = 4096;

export class DevNode {
  readonly name: string;
  readonly ports: DevPorts;
  /** Resolves at the line `ready`; never, if the process ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  #lastWords = '';

  /** What it prints goes to `NAME.log` in `directory`. */
  constructor(name: string, ports: DevPorts, args: readonly string[], directory: string) {
    this.name = name;
    this.ports = ports;
    this.#log = createWriteStream(path.join(directory, `${name}.log`), { flags: 'a' });
    // A group of its own: Ctrl-C reaches this command, which then stops the nodes in order.
    this.#child = spawn(process.execPath, [mainFile, ...args], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: nodeVariables(),
    });
    const child = this.#child;
    this.ready = new Promise((resolve) => {
      let out = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        this.#log.write(text);
        if (out.length < lastWordsLengthMax) out += text;
        if (/^ready$/m.test(out)) resolve();
      });
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#log.write(text);
      this.#lastWords = `${this.#lastWords}${text}`.slice(-lastWordsLengthMax);
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#lastWords = error.message;
        resolve();
      });
      child.once('close', () => {
        this.#log.end();
        resolve();
      });
    });
    process.once('exit', this.#kill);
    void this.ended.then(() => process.off('exit', this.#kill));
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Of a process that has ended. */
  get exitCode(): ExitCode {
    const { exitCode } = this.#child;
    return Object.values(exitCodes).find((code) => code === exitCode) ?? exitCodes.failure;
  }

  get lastWords(): string {
    return this.#lastWords.trim();
  }

  stop(): void {
    if (this.isRunning) this.#child.kill('SIGTERM');
  }

  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };
}

/** Those of this process, without the configuration of some other node. */
function nodeVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HALE_')));
}
