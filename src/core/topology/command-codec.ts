/** Commands as bytes: the entries of the cluster log. */
import type { Buffer } from 'node:buffer';
import { bufferOf, byteStringOf, FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand } from './cluster-state.ts';
import { NodeTableReader, NodeTableWriter } from './node-table.ts';
import {
  goalCodes,
  readCode,
  readMember,
  readNode,
  readOptional,
  readStaged,
  writeCode,
  writeMember,
  writeOptional,
  writeStaged,
} from './record-codec.ts';

const version = 1;

/** The place of a kind is its number. */
const kindCodes = [
  'admit',
  'announce',
  'stage',
  'clear',
  'cancel',
  'commit',
  'mark',
  'advance',
  'expel',
  'register',
] as const satisfies readonly ClusterCommand['kind'][];

const markCodes = ['down', 'valid'] as const;

export function encodeCommand(command: ClusterCommand): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writeCode(writer, kindCodes, command.kind);
  writeBody(writer, command);
  return writer.finish();
}

/** Undefined if the bytes are no command of a version that this code knows. */
export function decodeCommand(bytes: Uint8Array): ClusterCommand | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const command = readBody(reader, readCode(reader, kindCodes));
  return reader.isWhole ? command : undefined;
}

function writeBody(writer: FieldWriter, command: ClusterCommand): void {
  switch (command.kind) {
    case 'admit':
    case 'announce':
      writeMember(writer, command.member);
      break;
    case 'stage':
      writeStaged(writer, command.change);
      break;
    case 'clear':
    case 'cancel':
      break;
    case 'commit': {
      writer.number(command.planOf.generation);
      writer.number(command.planOf.epoch);
      const table = new NodeTableWriter(writer, new Set(command.owners));
      writer.list(command.owners, (owner) => table.node(owner));
      writer.flag(command.isForced);
      break;
    }
    case 'mark':
      writer.text(command.node);
      writeCode(writer, markCodes, command.status);
      break;
    case 'advance':
      writer.list(command.partitions, (partition) => writer.number(partition));
      writeCode(writer, goalCodes, command.to);
      writer.number(command.asOf);
      break;
    case 'expel':
      writer.text(command.node);
      break;
    case 'register':
      writer.list(command.changes, ({ name, value, expected }) => {
        writer.bytes(bufferOf(name));
        writeOptional(writer, value, (bytes) => writer.bytes(bytes));
        writeOptional(writer, expected, (revision) => writer.number(revision));
      });
      break;
    default:
      unreachable(command);
  }
}

function readBody(reader: FieldReader, kind: ClusterCommand['kind']): ClusterCommand {
  switch (kind) {
    case 'admit':
    case 'announce':
      return { kind, member: readMember(reader) };
    case 'stage':
      return { kind, change: readStaged(reader) };
    case 'clear':
    case 'cancel':
      return { kind };
    case 'commit': {
      const planOf = { generation: reader.number(), epoch: reader.number() };
      const table = new NodeTableReader(reader);
      const owners = reader.list(() => table.node());
      return { kind, planOf, owners, isForced: reader.flag() };
    }
    case 'mark':
      return { kind, node: readNode(reader), status: readCode(reader, markCodes) };
    case 'advance': {
      const partitions = reader.list(() => reader.number() as Partition);
      return { kind, partitions, to: readCode(reader, goalCodes), asOf: reader.number() };
    }
    case 'expel':
      return { kind, node: readNode(reader) };
    case 'register':
      return { kind, changes: reader.list(() => readRegistryChange(reader)) };
    default:
      return unreachable(kind);
  }
}

function readRegistryChange(reader: FieldReader) {
  return {
    name: byteStringOf(reader.bytes()),
    value: readOptional(reader, () => reader.bytes()),
    expected: readOptional(reader, () => reader.number()),
  };
}
