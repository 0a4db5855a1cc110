/** The command line of this process, from its words to its exit code. */
import { CommandFailure } from './exit-codes.ts';
import { program } from './program.ts';
import type { SmallUntilBusy } from './small-until-busy.ts';
import { processTerminal } from './terminal.ts';

/** Returns when the command has done its work. `small`: this process. */
export async function runCommand(small: SmallUntilBusy): Promise<void> {
  const terminal = processTerminal();
  // A reader that went away (`hale config describe | head`) is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await program(terminal, small).parseAsync();
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    for (const line of error.message.split('\n')) terminal.error(`hale: ${line}\n`);
    process.exitCode = error.exitCode;
  }
  if (process.connected) {
    const { default: cluster } = await import('node:cluster');
    // What ties a worker to the process that accepts its connections would keep it alive.
    if (cluster.isWorker) process.exit();
  }
}
