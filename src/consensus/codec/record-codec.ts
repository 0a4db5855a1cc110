/** The parts of messages and of what is persisted, field by field. */

import type { FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { HardState } from '../effect.ts';
import type { Entry, LogPosition } from '../log/entry.ts';
import { type Membership, noMembership } from '../membership/membership.ts';
import { type PeerId, peerIdOf } from '../peer-id.ts';
import type { SnapshotMark } from '../snapshot/snapshot-mark.ts';

const entryCodes = { command: 1, blank: 2, membership: 3 } as const;

export function writePosition(writer: FieldWriter, { index, term }: LogPosition): void {
  writer.number(index);
  writer.number(term);
}

export function readPosition(reader: FieldReader): LogPosition {
  return { index: reader.number(), term: reader.number() };
}

export function writeEntry(writer: FieldWriter, entry: Entry): void {
  writer.number(entryCodes[entry.kind]);
  writePosition(writer, entry);
  if (entry.kind === 'command') writer.bytes(entry.bytes);
  else if (entry.kind === 'membership') writeMembership(writer, entry.membership);
}

export function readEntry(reader: FieldReader): Entry {
  const code = reader.number();
  const position = readPosition(reader);
  switch (code) {
    case entryCodes.command:
      return { kind: 'command', ...position, bytes: reader.bytes() };
    case entryCodes.membership:
      return { kind: 'membership', ...position, membership: readMembership(reader) };
    case entryCodes.blank:
      break;
    default:
      reader.fail();
  }
  return { kind: 'blank', ...position };
}

export function writeSnapshotMark(writer: FieldWriter, mark: SnapshotMark): void {
  writePosition(writer, mark);
  writeMembership(writer, mark.membership);
}

export function readSnapshotMark(reader: FieldReader): SnapshotMark {
  return { ...readPosition(reader), membership: readMembership(reader) };
}

export function writeHardState(writer: FieldWriter, { term, vote, isJoining }: HardState): void {
  writer.number(term);
  writer.flag(vote !== undefined);
  if (vote !== undefined) writer.text(vote);
  writer.flag(isJoining);
}

export function readHardState(reader: FieldReader): HardState {
  const term = reader.number();
  const vote = reader.flag() ? peerIdOf(reader.text()) : undefined;
  return { term, vote, isJoining: reader.flag() };
}

function writeMembership(writer: FieldWriter, { voters, outgoing, learners }: Membership): void {
  for (const peers of [voters, outgoing, learners]) writer.list(peers, (peer) => writer.text(peer));
}

/** Only the canonical form, sorted and each once: the rest of the code relies on it. */
function readMembership(reader: FieldReader): Membership {
  const peers = (): PeerId[] => reader.list(() => peerIdOf(reader.text()));
  const membership = { voters: peers(), outgoing: peers(), learners: peers() };
  const isSorted = (list: readonly PeerId[]): boolean =>
    list.every((peer, i) => i === 0 || list[i - 1]! < peer);
  const { voters, outgoing, learners } = membership;
  const isSound =
    [voters, outgoing, learners].every(isSorted) && !voters.some((peer) => learners.includes(peer));
  if (isSound) return membership;
  reader.fail();
  return noMembership;
}
