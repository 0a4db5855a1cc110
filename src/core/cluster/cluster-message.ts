/**
 * What nodes tell one another about the cluster log, on the channel `topology`. Each may be lost: whoever needs
 * an answer asks again. docs/internals/cluster-log.md has the table.
 */
import type { Buffer } from 'node:buffer';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import { readPlace, type StatePlace, writePlace } from './proposal.ts';
import { readVerdict, type Verdict, writeVerdict } from './verdict.ts';

export type ReadyFor = 'verified' | 'dropped';

/** A move whose old owner has done its part: `since` is the epoch at which the stage began. */
export interface ReadyMove {
  readonly partition: Partition;
  readonly since: number;
}

export type ProposalAnswer =
  | { readonly kind: 'judged'; readonly verdict: Verdict }
  | { readonly kind: 'too-large' }
  /** Not the leader, or not now: nothing happened. */
  | { readonly kind: 'elsewhere' };

/** The leader as its sender knows it goes with most messages: nobody has to search for it. */
export type ClusterMessage =
  /** I have folded up to `at`. `asks`: say how far you are; the leader wants to know. */
  | {
      readonly kind: 'notice';
      readonly at: StatePlace;
      readonly leader: NodeId | undefined;
      readonly asks: boolean;
    }
  /** I have folded up to `at`, and it is on my disk. `replica`: the name under which I can be a voter. */
  | { readonly kind: 'ack'; readonly at: StatePlace; readonly replica: string }
  | {
      readonly kind: 'propose';
      readonly token: number;
      readonly timeoutMs: number;
      readonly proposal: Buffer;
    }
  | {
      readonly kind: 'proposed';
      readonly token: number;
      readonly answer: ProposalAnswer;
      readonly leader: NodeId | undefined;
    }
  /** What follows `at`? `part`: I am fetching the whole state of that place, and have so many bytes of it. */
  | {
      readonly kind: 'pull';
      readonly at: StatePlace;
      readonly part: { readonly of: StatePlace; readonly offset: number } | undefined;
    }
  /** The commands behind `at`; the state after them has `digest`. `last`: how far the sender is. */
  | {
      readonly kind: 'commands';
      readonly at: StatePlace;
      readonly commands: readonly Buffer[];
      readonly digest: string;
      readonly last: StatePlace;
    }
  | {
      readonly kind: 'state-part';
      readonly of: StatePlace;
      readonly offset: number;
      readonly total: number;
      readonly bytes: Buffer;
      readonly digest: string;
    }
  /** How far are you, and do the voters have a leader? Asked before a `recover`. */
  | { readonly kind: 'survey'; readonly token: number }
  | { readonly kind: 'surveyed'; readonly token: number; readonly at: StatePlace; readonly isLed: boolean }
  | {
      readonly kind: 'ready';
      readonly what: ReadyFor;
      readonly generation: number;
      readonly moves: readonly ReadyMove[];
    };

export type ClusterMessageKind = ClusterMessage['kind'];

const version = 1;
const kindCodes: { readonly [Kind in ClusterMessageKind]: number } = {
  notice: 1,
  ack: 2,
  propose: 3,
  proposed: 4,
  pull: 5,
  commands: 6,
  'state-part': 7,
  ready: 8,
  survey: 9,
  surveyed: 10,
};
const kinds = new Map(Object.entries(kindCodes).map(([kind, code]) => [code, kind as ClusterMessageKind]));
const answerCodes = { judged: 1, 'too-large': 2, elsewhere: 3 } as const;

export function encodeClusterMessage(message: ClusterMessage): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(kindCodes[message.kind]);
  writeFields(writer, message);
  return writer.finish();
}

/** Undefined if the bytes are no message of a version that this code knows. */
export function decodeClusterMessage(bytes: Uint8Array): ClusterMessage | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const kind = kinds.get(reader.number());
  if (kind === undefined) return undefined;
  const message = readFields(reader, kind);
  return reader.isWhole ? message : undefined;
}

function writeFields(writer: FieldWriter, message: ClusterMessage): void {
  switch (message.kind) {
    case 'notice':
      writePlace(writer, message.at);
      writeLeader(writer, message.leader);
      writer.flag(message.asks);
      break;
    case 'ack':
      writePlace(writer, message.at);
      writer.text(message.replica);
      break;
    case 'propose':
      writer.number(message.token);
      writer.number(message.timeoutMs);
      writer.bytes(message.proposal);
      break;
    case 'proposed':
      writer.number(message.token);
      writer.number(answerCodes[message.answer.kind]);
      if (message.answer.kind === 'judged') writeVerdict(writer, message.answer.verdict);
      writeLeader(writer, message.leader);
      break;
    case 'pull':
      writePlace(writer, message.at);
      writer.flag(message.part !== undefined);
      if (message.part === undefined) break;
      writePlace(writer, message.part.of);
      writer.number(message.part.offset);
      break;
    case 'commands':
      writePlace(writer, message.at);
      writer.list(message.commands, (command) => writer.bytes(command));
      writer.text(message.digest);
      writePlace(writer, message.last);
      break;
    case 'state-part':
      writePlace(writer, message.of);
      writer.number(message.offset);
      writer.number(message.total);
      writer.bytes(message.bytes);
      writer.text(message.digest);
      break;
    case 'survey':
      writer.number(message.token);
      break;
    case 'surveyed':
      writer.number(message.token);
      writePlace(writer, message.at);
      writer.flag(message.isLed);
      break;
    case 'ready':
      writer.flag(message.what === 'dropped');
      writer.number(message.generation);
      writer.list(message.moves, ({ partition, since }) => {
        writer.number(partition);
        writer.number(since);
      });
      break;
    default:
      unreachable(message);
  }
}

/** Properties are evaluated in the order in which they stand: that of the fields. */
function readFields(reader: FieldReader, kind: ClusterMessageKind): ClusterMessage {
  const number = (): number => reader.number();
  const place = (): StatePlace => readPlace(reader);
  switch (kind) {
    case 'notice':
      return { kind, at: place(), leader: readLeader(reader), asks: reader.flag() };
    case 'ack':
      return { kind, at: place(), replica: reader.text() };
    case 'propose':
      return { kind, token: number(), timeoutMs: number(), proposal: reader.bytes() };
    case 'proposed':
      return { kind, token: number(), answer: readAnswer(reader), leader: readLeader(reader) };
    case 'pull': {
      const at = place();
      return { kind, at, part: reader.flag() ? { of: place(), offset: number() } : undefined };
    }
    case 'commands': {
      const at = place();
      const commands = reader.list(() => reader.bytes());
      return { kind, at, commands, digest: reader.text(), last: place() };
    }
    case 'state-part':
      return {
        kind,
        of: place(),
        offset: number(),
        total: number(),
        bytes: reader.bytes(),
        digest: reader.text(),
      };
    case 'survey':
      return { kind, token: number() };
    case 'surveyed':
      return { kind, token: number(), at: place(), isLed: reader.flag() };
    case 'ready': {
      const what = reader.flag() ? 'dropped' : 'verified';
      const generation = number();
      const moves = reader.list(() => ({ partition: number() as Partition, since: number() }));
      return { kind, what, generation, moves };
    }
    default:
      return unreachable(kind);
  }
}

function readAnswer(reader: FieldReader): ProposalAnswer {
  switch (reader.number()) {
    case answerCodes.judged:
      return { kind: 'judged', verdict: readVerdict(reader) };
    case answerCodes['too-large']:
      return { kind: 'too-large' };
    case answerCodes.elsewhere:
      break;
    default:
      reader.fail();
  }
  return { kind: 'elsewhere' };
}

function writeLeader(writer: FieldWriter, leader: NodeId | undefined): void {
  writer.text(leader ?? '');
}

function readLeader(reader: FieldReader): NodeId | undefined {
  const name = reader.text();
  return name === '' ? undefined : nodeIdOf(name);
}
