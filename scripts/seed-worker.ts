/** A process that runs one seed after the other for `npm run sim -- --jobs N`, and ends with who started it. */
import { runSeed, type SeedRun, scenarioNamed, type World } from '../src/simulator/index.ts';
import { processorMs } from './processor-time.ts';
import type { WorkerMessage } from './seed-workers.ts';

let world: World | undefined;
const watch = (started: World): void => {
  world = started;
};

function failUnhandled(error: unknown): void {
  if (world === undefined) throw error;
  world.fail('a promise was rejected with nobody waiting', error);
}

process.on('unhandledRejection', failUnhandled);
process.on('uncaughtException', failUnhandled);
// Ctrl-C reaches all processes of a terminal: the first of them says what was under way, then ends the others.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  void answer(message as SeedRun);
});

async function answer(run: SeedRun): Promise<void> {
  const report = await runSeed(scenarioNamed(run.scenario), run, { watch, cpuMs: processorMs });
  const message: WorkerMessage = { report, residentBytes: process.memoryUsage.rss() };
  process.send!(message);
}
