/** What numbers belong to. */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { BenchScale } from './bench-run.ts';
import { redisVersion } from './servers.ts';

export function benchHeading(node: string, scale: BenchScale): string {
  const nodeVersion = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
  const flag = scale === 'usual' ? '' : `, \`--${scale}\``;
  const day = new Date().toISOString().slice(0, 10);
  return `commit ${commit}, ${machine}, Node ${nodeVersion}, redis ${redisVersion() ?? 'absent'}${flag}, ${day}`;
}
