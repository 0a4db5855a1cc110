/** A worker that does what the name of its scenario says. */
import type { SeedRun } from '../src/simulator/index.ts';
import type { WorkerMessage } from './seed-workers.ts';

process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  const { scenario, seed } = message as SeedRun;
  if (scenario === 'dies') {
    process.stderr.write('out of memory\n', () => process.exit(7));
  } else if (scenario === 'is killed') process.kill(process.pid, 'SIGKILL');
  else if (scenario !== 'never ends') {
    const report = {
      verdict: 'passed',
      lines: [`${process.pid}`],
      eventsRun: 1,
      virtualMs: 1,
      cpuMs: 1,
    } as const;
    const answer: WorkerMessage = { report, residentBytes: seed };
    process.send!(answer);
  }
});
