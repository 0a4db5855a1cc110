/**
 * The program of a sandbox process: `sandbox-process ENGINE MEMORY`. It runs calls one by one as they come, and ends
 * when whoever started it is gone.
 */
import { QuickJsEngine, type SandboxOutcome } from '../../sandbox/index.ts';
import { loadIsolatedEngine } from './isolated-engine.ts';
import { type EngineName, type ProcessMessage, type ProcessRequest, wallFactor } from './process-message.ts';

/**
 * What counts is what the processor did: on a busy machine a call waits for it, too. A call that gets next to nothing
 * of it must end as well.
 */
class RunClock {
  readonly #startedAt = performance.now();
  readonly #cpuAtStart = process.cpuUsage();

  elapsedMs(): number {
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    return Math.max((user + system) / 1000, (performance.now() - this.#startedAt) / wallFactor);
  }
}

interface Engine {
  readonly name: EngineName;
  readonly isSpoiled: boolean;
  run(call: ProcessRequest, clock: { elapsedMs(): number }): SandboxOutcome;
}

const [wanted, memory] = process.argv.slice(2);

async function loadEngine(): Promise<Engine> {
  const isolated = wanted === 'quickjs' ? undefined : await loadIsolatedEngine(Number(memory));
  if (isolated !== undefined) return isolated;
  if (wanted === 'isolated-vm') throw new Error('isolated-vm cannot be loaded');
  return QuickJsEngine.load(Number(memory));
}

function send(message: ProcessMessage): void {
  process.send?.(message);
}

process.on('disconnect', () => process.exit(0));
const engine = await loadEngine();
process.on('message', (request) => {
  const outcome = engine.run(request as ProcessRequest, new RunClock());
  send({ kind: 'ended', outcome, isSpoiled: engine.isSpoiled });
});
send({ kind: 'ready', engine: engine.name });
