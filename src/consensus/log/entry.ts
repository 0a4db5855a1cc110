import type { Membership } from '../membership/membership.ts';

/** From 1 to 2^53 - 1; 0 is the place before the first entry. */
export type LogIndex = number;
/** The number of one reign: at most one leader has it. 0 is before all reigns. */
export type Term = number;

/**
 * One place of the replicated log. `command` is the application's, opaque; `blank` opens a leader's
 * term; `membership` says who takes part from there on. Bytes must not change once they are proposed.
 */
export type Entry =
  | { readonly kind: 'command'; readonly index: LogIndex; readonly term: Term; readonly bytes: Uint8Array }
  | { readonly kind: 'blank'; readonly index: LogIndex; readonly term: Term }
  | {
      readonly kind: 'membership';
      readonly index: LogIndex;
      readonly term: Term;
      readonly membership: Membership;
    };

/** What an entry costs besides the bytes of its command, in memory and in messages, roughly. */
const entryOverheadBytes = 32;
const memberBytes = 48;

/** The weight of an entry against limits in bytes. */
export function entrySize(entry: Entry): number {
  if (entry.kind === 'command') return entryOverheadBytes + entry.bytes.length;
  if (entry.kind === 'blank') return entryOverheadBytes;
  const { voters, outgoing, learners } = entry.membership;
  return entryOverheadBytes + memberBytes * (voters.length + outgoing.length + learners.length);
}

/** The last place of a log: what elections compare. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Whether `a` is at least as up-to-date as `b`: a later last term, or the same and as long (Raft §3.6.1). */
export function isAsUpToDate(a: LogPosition, b: LogPosition): boolean {
  return a.term > b.term || (a.term === b.term && a.index >= b.index);
}

/** Whether `a` knows something that `b` does not. */
export function isAheadOf(a: LogPosition, b: LogPosition): boolean {
  return !isAsUpToDate(b, a);
}
