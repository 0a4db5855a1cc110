/** The records of the cluster's journal. `log-journal.ts` says what they mean. */
import type { Buffer } from 'node:buffer';
import {
  decodeLogWrite,
  decodeSnapshotMark,
  encodeLogWrite,
  encodeSnapshotMark,
  type LogWrite,
  type PeerId,
  peerIdOf,
  type SnapshotMark,
} from '../../consensus/index.ts';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';
import { type ClusterState, decodeState, encodeState } from '../topology/index.ts';
import { readPlace, type StatePlace, writePlace } from './proposal.ts';

/** Who this node is, before it talks to anyone. */
export interface StoredIdentity {
  readonly node: NodeId;
  /** 16 random bytes, hexadecimal, drawn when the data directory was made. */
  readonly instance: string;
  readonly clusterId: string;
  /** The cluster has removed this node; it takes part in nothing any more. */
  readonly isRemoved: boolean;
}

export type JournalRecord =
  | { readonly kind: 'identity'; readonly identity: StoredIdentity }
  /** The whole state that this node follows, in the place of all before. */
  | { readonly kind: 'state'; readonly state: ClusterState }
  /** A command that was folded; the state after it is at `at`. */
  | { readonly kind: 'command'; readonly at: StatePlace; readonly command: Buffer }
  /** A replica begins here, behind a snapshot; its hard state and entries are in the next `log` record. */
  | { readonly kind: 'replica'; readonly replica: StoredReplica }
  | { readonly kind: 'log'; readonly write: LogWrite }
  /** No replica runs here any more. */
  | { readonly kind: 'no-replica' };

export interface StoredReplica {
  readonly name: PeerId;
  /** Of the cluster: the consensus group is of one generation. */
  readonly generation: number;
  readonly mark: SnapshotMark;
  /** An encoded `AgreedState`; empty for one that has none yet. */
  readonly agreed: Buffer;
}

const version = 1;
const codes = { identity: 1, state: 2, command: 3, replica: 4, log: 5, 'no-replica': 6 } as const;

export function encodeRecord(record: JournalRecord): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(codes[record.kind]);
  switch (record.kind) {
    case 'identity': {
      const { node, instance, clusterId, isRemoved } = record.identity;
      writer.text(node);
      writer.text(instance);
      writer.text(clusterId);
      writer.flag(isRemoved);
      break;
    }
    case 'state':
      writer.bytes(encodeState(record.state));
      break;
    case 'command':
      writePlace(writer, record.at);
      writer.bytes(record.command);
      break;
    case 'replica':
      writer.text(record.replica.name);
      writer.number(record.replica.generation);
      writer.bytes(encodeSnapshotMark(record.replica.mark));
      writer.bytes(record.replica.agreed);
      break;
    case 'log':
      writer.bytes(encodeLogWrite(record.write));
      break;
    case 'no-replica':
      break;
    default:
      unreachable(record);
  }
  return writer.finish();
}

/** Undefined if the bytes are no record of a version that this code knows. */
export function decodeRecord(bytes: Uint8Array): JournalRecord | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const record = readFields(reader);
  return reader.isWhole ? record : undefined;
}

function readFields(reader: FieldReader): JournalRecord | undefined {
  switch (reader.number()) {
    case codes.identity: {
      const node = nodeIdOf(reader.text());
      const instance = reader.text();
      const clusterId = reader.text();
      return { kind: 'identity', identity: { node, instance, clusterId, isRemoved: reader.flag() } };
    }
    case codes.state: {
      const state = decodeState(reader.bytes());
      return state && { kind: 'state', state };
    }
    case codes.command:
      return { kind: 'command', at: readPlace(reader), command: reader.bytes() };
    case codes.replica: {
      const name = peerIdOf(reader.text());
      const generation = reader.number();
      const mark = decodeSnapshotMark(reader.bytes());
      const agreed = reader.bytes();
      return mark && { kind: 'replica', replica: { name, generation, mark, agreed } };
    }
    case codes.log: {
      const write = decodeLogWrite(reader.bytes());
      return write && { kind: 'log', write };
    }
    case codes['no-replica']:
      return { kind: 'no-replica' };
    default:
      return undefined;
  }
}
