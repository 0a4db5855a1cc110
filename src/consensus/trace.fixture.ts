/** Messages in one line each, for golden traces. */

import { textOf } from './group-invariants.fixture.ts';
import type { LogPosition, Message, PeerId } from './index.ts';

export function lineOf(from: PeerId, to: PeerId, message: Message, isLost: boolean): string {
  const arrow = isLost ? '-x' : '->';
  const term = 'term' in message ? ` t${message.term}` : '';
  return `${from}${arrow}${to} ${message.kind}${term}${detailOf(message)}`;
}

function detailOf(message: Message): string {
  switch (message.kind) {
    case 'pre-vote-request':
    case 'vote-request':
      return ` last ${at(message.last)}`;
    case 'pre-vote-reply':
      return ` ${message.isGranted ? 'yes' : 'no'} to t${message.asked}`;
    case 'vote-reply':
      return message.isGranted ? ' yes' : ' no';
    case 'append':
      return ` after ${at(message.previous)} [${message.entries.map(textOf).join(', ')}] commit ${message.commit}`;
    case 'append-accepted':
      return ` up to ${message.match}`;
    case 'append-refused':
      return ` ${message.previousIndex}, perhaps ${at(message.hint)}`;
    case 'heartbeat':
      return ` round ${message.round} commit ${message.commit}`;
    case 'heartbeat-reply':
      return ` round ${message.round}`;
    case 'pull':
      return ` after ${at(message.previous)}`;
    case 'pull-reply':
      return ` after ${at(message.previous)} [${message.entries.map(textOf).join(', ')}] commit ${message.commit}`;
    case 'snapshot-offer':
    case 'pull-snapshot':
      return ` ${at(message.snapshot)}`;
    case 'snapshot-pull':
      return ` ${at(message.place)} from ${message.offset}`;
    case 'snapshot-chunk':
      return ` ${at(message.place)} from ${message.offset}, ${message.bytes.length} bytes${message.isLast ? ', last' : ''}`;
    case 'timeout-now':
      return '';
  }
}

function at({ index, term }: LogPosition): string {
  return `${index}@${term}`;
}
