/**
 * Keeps a data directory to one node. LevelDB's own lock is not enough: a second open in the same
 * process fails, and in failing drops the lock, so that another process may then open the database.
 *
 * The lock is a file that names its holder. It appears whole or not at all (a file written beside it,
 * then linked), and is believed as long as that process runs; `kill -9` leaves a stale lock, which
 * the next node takes over. Only one may: whoever removes a stale lock must first hold the lock
 * `<lock>.<nonce of the stale one>`, so that nobody removes the lock of one who was faster.
 *
 * It sees processes of its own machine (and process namespace); a directory on a shared file system
 * is not guarded against other machines.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { isRunning, ownIdentity } from './process-identity.ts';

export const lockFileName = 'hale.lock';
const attemptsMax = 16;

export interface LockHolder {
  readonly pid: number;
  readonly startTime: string | undefined;
  readonly nodeName: string;
  /** Tells two locks of one process apart. */
  readonly nonce: string;
}

export class DataDirectoryLockedError extends Error {
  override readonly name = 'DataDirectoryLockedError';
  readonly code = 'locked';
  readonly directory: string;
  readonly holder: LockHolder;
  constructor(directory: string, holder: LockHolder) {
    const where = holder.pid === process.pid ? 'this process' : `process ${holder.pid}`;
    super(`data directory ${directory} is in use by node ${holder.nodeName} in ${where}`);
    this.directory = directory;
    this.holder = holder;
  }
}

export interface DataDirectoryLock {
  readonly directory: string;
  /** Releasing twice is allowed. */
  release(): void;
  [Symbol.dispose](): void;
}

/**
 * Takes the lock, making the directory if it is missing. Throws `DataDirectoryLockedError`, or the
 * file system's own error if the directory cannot be written.
 */
export function lockDataDirectory(directory: string, nodeName: string): DataDirectoryLock {
  const absolute = path.resolve(directory);
  mkdirSync(absolute, { recursive: true, mode: 0o700 });
  const lockPath = path.join(absolute, lockFileName);
  const self: LockHolder = { ...ownIdentity(), nodeName, nonce: randomBytes(8).toString('hex') };
  takeLock(lockPath, self, absolute);
  const release = (): void => releaseLock(lockPath, self);
  return { directory: absolute, release, [Symbol.dispose]: release };
}

function takeLock(lockPath: string, self: LockHolder, directory: string): void {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (tryCreate(lockPath, self)) return;
    const holder = readHolder(lockPath);
    // Released in between: try again.
    if (holder === undefined) continue;
    if (isRunning(holder)) throw new DataDirectoryLockedError(directory, holder);
    const guardPath = `${lockPath}.${holder.nonce}`;
    takeLock(guardPath, self, directory);
    try {
      // Nobody but the guard's holder removes this stale lock, so what is read here stays.
      if (readHolder(lockPath)?.nonce === holder.nonce) unlinkSync(lockPath);
    } finally {
      releaseLock(guardPath, self);
    }
  }
  throw new Error(`data directory ${directory} is contended: its lock changed ${attemptsMax} times`);
}

function tryCreate(lockPath: string, self: LockHolder): boolean {
  const wholePath = `${lockPath}.new-${self.nonce}`;
  writeFileSync(wholePath, `${JSON.stringify(self)}\n`, { flag: 'wx', mode: 0o600 });
  try {
    linkSync(wholePath, lockPath);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    unlinkSync(wholePath);
  }
}

/** Undefined if there is no lock. One that cannot be read (a power cut tore it) has no living holder. */
function readHolder(lockPath: string): LockHolder | undefined {
  let text: string;
  try {
    text = readFileSync(lockPath, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseHolder(text) ?? { pid: 0, startTime: '', nodeName: 'unknown', nonce: 'torn' };
}

function parseHolder(text: string): LockHolder | undefined {
  let value: Partial<LockHolder> | null;
  try {
    value = JSON.parse(text) as Partial<LockHolder> | null;
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, startTime, nodeName, nonce } = value;
  const isWhole = Number.isInteger(pid) && typeof nodeName === 'string' && /^[0-9a-f]{16}$/.test(nonce ?? '');
  return isWhole ? { pid: pid!, startTime, nodeName: nodeName!, nonce: nonce! } : undefined;
}

function releaseLock(lockPath: string, self: LockHolder): void {
  if (readHolder(lockPath)?.nonce === self.nonce) unlinkSync(lockPath);
}
