/**
 * A whole state as bytes, for snapshots and for who is far behind. Equal states have equal bytes, so that their digests
 * can be compared (C1).
 */
import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { NodeId } from '../../environment/index.ts';
import { bufferOf, byteStringOf, FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from './cluster-state.ts';
import { movesInOrder } from './moves.ts';
import { NodeTableReader, NodeTableWriter } from './node-table.ts';
import {
  byName,
  readCode,
  readMap,
  readMember,
  readOptional,
  readStaged,
  stageCodes,
  writeCode,
  writeMember,
  writeOptional,
  writeStaged,
} from './record-codec.ts';
import { unsoundness } from './soundness.ts';

const version = 1;

export function encodeState(state: ClusterState): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.text(state.clusterId);
  writer.number(state.generation);
  writer.number(state.epoch);
  writer.number(state.planBasis);
  writer.number(state.targetN);
  writer.list(byName(state.members), ([, member]) => writeMember(writer, member));
  const table = new NodeTableWriter(writer, nodesOf(state));
  writer.list(state.owners, (owner) => table.node(owner));
  writer.list(state.ownedSince, (since) => writer.number(since));
  writer.list(movesInOrder(state.moves), (move) => {
    writer.number(move.partition);
    writeOptional(writer, move.from, (from) => table.node(from));
    table.node(move.to);
    writeCode(writer, stageCodes, move.stage);
    writer.number(move.since);
  });
  writer.list(state.staged, (change) => writeStaged(writer, change));
  writer.list(state.removed, (instance) => writer.text(instance));
  writer.list(byName(state.registry), ([name, { value, revision }]) => {
    writer.bytes(bufferOf(name as ReturnType<typeof byteStringOf>));
    writer.bytes(value);
    writer.number(revision);
  });
  return writer.finish();
}

/** Undefined: no state of a version that this code knows, or one in which something does not hold (soundness.ts). */
export function decodeState(bytes: Uint8Array): ClusterState | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const head = {
    clusterId: reader.text(),
    generation: reader.number(),
    epoch: reader.number(),
    planBasis: reader.number(),
    targetN: reader.number(),
    members: readMap(reader, () => {
      const member = readMember(reader);
      return [member.node, member];
    }),
  };
  const table = new NodeTableReader(reader);
  const state: ClusterState = {
    ...head,
    owners: reader.list(() => table.node()),
    ownedSince: reader.list(() => reader.number()),
    moves: readMap(reader, () => {
      const move = readMove(reader, table);
      return [move.partition, move];
    }),
    staged: reader.list(() => readStaged(reader)),
    removed: reader.list(() => reader.text()),
    registry: readMap(reader, () => {
      const name = byteStringOf(reader.bytes());
      return [name, { value: reader.bytes(), revision: reader.number() }];
    }),
  };
  return reader.isWhole && unsoundness(state) === undefined ? state : undefined;
}

/** SHA-256 of the state's bytes, hexadecimal. */
export function stateDigest(state: ClusterState): string {
  return createHash('sha256').update(encodeState(state)).digest('hex');
}

function nodesOf({ owners, moves }: ClusterState): ReadonlySet<NodeId> {
  const nodes = new Set(owners);
  for (const { from, to } of moves.values()) {
    nodes.add(to);
    if (from !== undefined) nodes.add(from);
  }
  return nodes;
}

function readMove(reader: FieldReader, table: NodeTableReader): Move {
  return {
    partition: reader.number() as Partition,
    from: readOptional(reader, () => table.node()),
    to: table.node(),
    stage: readCode(reader, stageCodes),
    since: reader.number(),
  };
}
