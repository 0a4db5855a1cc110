/**
 * A command on its way into the log, with what makes it happen once however often it is sent.
 *
 * A proposer that hears nothing sends its proposal again, to whoever leads then, though the first may stand in
 * the log (Raft §6.3). So a proposal has an id, and says which state its proposer knew when it first made it.
 */
import type { Buffer } from 'node:buffer';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { FieldReader, FieldWriter } from '../../stdx/index.ts';

/** A place in the history of a cluster's state; compared by generation, then by epoch. */
export interface StatePlace {
  readonly generation: number;
  readonly epoch: number;
}

export function isBeyond(a: StatePlace, b: StatePlace): boolean {
  return a.generation > b.generation || (a.generation === b.generation && a.epoch > b.epoch);
}

export interface Proposal {
  readonly proposer: NodeId;
  /** Hexadecimal, drawn at the start of the proposer's process: numbers begin anew with it. */
  readonly life: string;
  readonly number: number;
  /** What the proposer had folded when it made the proposal. */
  readonly madeAt: StatePlace;
  /** A `ClusterCommand`, encoded. */
  readonly command: Buffer;
}

const version = 1;

export function proposalIdOf({ proposer, life, number }: Proposal): string {
  return `${proposer} ${life} ${number}`;
}

export function encodeProposal({ proposer, life, number, madeAt, command }: Proposal): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.text(proposer);
  writer.text(life);
  writer.number(number);
  writePlace(writer, madeAt);
  writer.bytes(command);
  return writer.finish();
}

/** Undefined if the bytes are no proposal of a version that this code knows. */
export function decodeProposal(bytes: Uint8Array): Proposal | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const proposal = {
    proposer: nodeIdOf(reader.text()),
    life: reader.text(),
    number: reader.number(),
    madeAt: readPlace(reader),
    command: reader.bytes(),
  };
  return reader.isWhole ? proposal : undefined;
}

export function writePlace(writer: FieldWriter, { generation, epoch }: StatePlace): void {
  writer.number(generation);
  writer.number(epoch);
}

export function readPlace(reader: FieldReader): StatePlace {
  return { generation: reader.number(), epoch: reader.number() };
}
