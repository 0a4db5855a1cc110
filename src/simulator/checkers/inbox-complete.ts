/**
 * A messenger's inboxes, after whatever has happened:
 *
 *   V1  A delivery that was acknowledged is in its inbox, and its message can be read.
 *   V2  An inbox has no message that nobody sent to it, each once, the oldest first.
 *   V3  No page has more names than a page may have on each side of a cut, and as many more as there are senders.
 *   V4  No object has more than `siblingsMax` siblings, at any read.
 */
import type { Timeline } from '../workloads/inbox-timeline.ts';

export const siblingsMax = 32;

export interface Delivery {
  readonly user: string;
  readonly name: string;
  isAcknowledged: boolean;
}

export interface InboxBounds {
  /** Names on a page after which the next one is begun. */
  readonly pageMax: number;
  readonly senders: number;
  /** Parts of the cluster that took deliveries apart from each other. */
  readonly sides: number;
}

export function checkInbox(
  user: string,
  { names, pages }: Timeline,
  deliveries: readonly Delivery[],
  { pageMax, senders, sides }: InboxBounds,
): readonly string[] {
  const violations: string[] = [];
  const mine = deliveries.filter((delivery) => delivery.user === user);
  const shown = new Set(names);
  for (const { name, isAcknowledged } of mine) {
    if (isAcknowledged && !shown.has(name)) violations.push(`V1 ${user}: ${name} was delivered and is lost`);
  }
  const sent = new Set(mine.map(({ name }) => name));
  for (const name of shown) if (!sent.has(name)) violations.push(`V2 ${user}: nobody sent ${name}`);
  for (let at = 1; at < names.length; at += 1) {
    const [before = '', name = ''] = names.slice(at - 1, at + 1);
    if (secondOf(before) > secondOf(name)) violations.push(`V2 ${user}: ${before} stands before ${name}`);
  }
  const namesMax = sides * pageMax + senders;
  for (const [number, page] of pages.entries()) {
    if (page.length > namesMax) violations.push(`V3 ${user}: page ${number} has ${page.length} names`);
  }
  return violations;
}

function secondOf(name: string): number {
  return Number(name.slice(0, name.indexOf('_')));
}
