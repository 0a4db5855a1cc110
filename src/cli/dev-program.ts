/** The command line of `hale dev`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Terminal } from './terminal.ts';

const nodesMax = 20;

interface DevFlags {
  readonly dir: string;
  readonly o?: readonly string[];
}

export function addDev(
  hale: Command,
  terminal: Terminal,
  collect: (value: string, previous?: readonly string[]) => readonly string[],
): void {
  hale
    .command('dev')
    .description(
      'run a cluster on this machine for development; ends with Ctrl-C, starts again with its data',
    )
    .argument('[COUNT]', 'how many nodes (default: those of the directory, or three)', nodeCount)
    .option('--dir <DIR>', 'where all of it is kept', './hale-dev')
    .option('-o <KEY=VALUE>', 'set any key of the configuration at every node (repeatable)', collect)
    .action(async (nodes: number | undefined, flags: DevFlags) => {
      const { devCommand } = await import('./dev-command.ts');
      await devCommand(terminal, {
        nodes,
        directory: flags.dir,
        assignments: flags.o ?? [],
      });
    });
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,2}$/.test(text) && count >= 1 && count <= nodesMax) return count;
  throw new InvalidArgumentError(`must be a number from 1 to ${nodesMax}`);
}
