/** `hale bucket count` and `drop`, and the wait for what is being dropped. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DropView } from '../server/index.ts';
import { adminGet, adminPost } from './admin-request.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { printable, type Terminal } from './terminal.ts';

const lookAgainMs = 500;
const waitMsMax = 3_600_000;

export interface Waiting {
  readonly at: string;
  readonly wait: boolean;
}

export async function dropBucket(
  terminal: Terminal,
  bucket: string,
  { type, at, wait }: Waiting & { readonly type: string },
): Promise<void> {
  await adminPost<unknown>(at, 'buckets/drop', { type, bucket });
  await sayDropped(terminal, { type, bucket }, { at, wait });
}

export async function countBucket(
  terminal: Terminal,
  bucket: string,
  { type, at, about }: { readonly type: string; readonly at: string; readonly about: boolean },
): Promise<void> {
  const query = new URLSearchParams({ type, bucket, about: String(about) });
  const counted = await adminGet<{ readonly count: number; readonly standardError?: number }>(
    at,
    `buckets/count?${query.toString()}`,
  );
  const errorOf95 = Math.round(2 * (counted.standardError ?? 0));
  terminal.out(about ? `${counted.count} ± ${errorOf95}\n` : `${counted.count}\n`);
}

/** Returns when it has gone, if that is to be waited for. */
export async function sayDropped(terminal: Terminal, what: DropView, { at, wait }: Waiting): Promise<void> {
  const name = printable(nameOf(what));
  if (!wait) {
    terminal.out(`${name} is being dropped\n`);
    return;
  }
  const began = performance.now();
  const isIt = ({ type, bucket }: DropView): boolean => type === what.type && bucket === what.bucket;
  while ((await dropsAt(at)).some(isIt)) {
    if (performance.now() - began > waitMsMax) {
      throw new CommandFailure(exitCodes.waitedInVain, `after an hour: ${name} is still being dropped`);
    }
    await sleep(lookAgainMs);
  }
  terminal.out(`${name} dropped\n`);
}

export async function listDrops(
  terminal: Terminal,
  { at, json }: { readonly at: string; readonly json: boolean },
): Promise<void> {
  const drops = await dropsAt(at);
  if (json) terminal.out(`${JSON.stringify({ drops }, undefined, 2)}\n`);
  else if (drops.length === 0) terminal.out('nothing is being dropped\n');
  else for (const drop of drops) terminal.out(`${printable(nameOf(drop))}\n`);
}

async function dropsAt(at: string): Promise<readonly DropView[]> {
  const { drops } = await adminGet<{ readonly drops: readonly DropView[] }>(at, 'drops');
  return drops;
}

function nameOf({ type, bucket }: DropView): string {
  return bucket === undefined ? type : `${type}/${bucket}`;
}
