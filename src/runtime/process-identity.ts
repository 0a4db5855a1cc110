/**
 * Which process is meant by a process id, now and later. Ids are reused; the pair of id and start
 * time (in clock ticks since boot, from Linux's /proc, proc(5)) is not.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Undefined where the system does not tell. */
  readonly startTime: string | undefined;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: readProcessStat(process.pid)?.startTime };
}

/** Whether that very process still runs. One that ended but was not reaped yet does not. */
export function isRunning(identity: ProcessIdentity): boolean {
  // No process; as an argument of kill(2) they would mean groups.
  if (identity.pid <= 0) return false;
  const stat = readProcessStat(identity.pid);
  if (stat === undefined) return existsByPid(identity.pid);
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return identity.startTime === undefined || identity.startTime === stat.startTime;
}

function readProcessStat(pid: number): { state: string; startTime: string } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Field 2 is the program's name in parentheses and may hold anything; fields 3 and 22 are wanted.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}

function existsByPid(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not ours to signal, so it exists.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
