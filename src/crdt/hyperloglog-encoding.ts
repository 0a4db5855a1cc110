/**
 * The bytes of a sketch: its precision, then the registers that are not 0 as gaps and ranks, or, where
 * that is no shorter, all registers in six bits each. A rank needs six bits: it is at most 61.
 */
import { varintSize } from '../stdx/index.ts';
import type { CrdtReader } from './crdt-reader.ts';
import type { CrdtWriter } from './crdt-writer.ts';
import { HyperLogLog, precisionMax, precisionMin, rankMax } from './hyperloglog.ts';

const formSparse = 0;
const formDense = 1;

const rankTooGreat = 'a rank is too great';
const otherFormIsShorter = 'the other form of a sketch is shorter';

export function writeHyperLogLog(writer: CrdtWriter, sketch: HyperLogLog): void {
  const { precision, registers } = sketch;
  writer.byte(precision);
  const form = formOf(registers);
  writer.byte(form);
  if (form === formSparse) writeSparse(writer, registers);
  else writeDense(writer, registers);
}

export function readHyperLogLog(reader: CrdtReader): HyperLogLog {
  const precision = reader.byte();
  if (precision < precisionMin || precision > precisionMax) reader.fail('its precision is not from 4 to 16');
  const form = reader.byte();
  const max = rankMax(precision);
  const registers = new Uint8Array(2 ** precision);
  if (form === formSparse) readSparse(reader, registers, max);
  else if (form === formDense) readDense(reader, registers, max);
  else reader.fail('its form is unknown');
  return HyperLogLog.of(precision, registers);
}

function denseBytes(registers: Uint8Array): number {
  return (registers.length / 4) * 3;
}

function formOf(registers: Uint8Array): number {
  let count = 0;
  let sparseBytes = 0;
  let next = 0;
  for (let at = 0; at < registers.length; at += 1) {
    if (registers[at] === 0) continue;
    count += 1;
    sparseBytes += varintSize(at - next) + 1;
    next = at + 1;
  }
  return varintSize(count) + sparseBytes < denseBytes(registers) ? formSparse : formDense;
}

function writeSparse(writer: CrdtWriter, registers: Uint8Array): void {
  let count = 0;
  for (let at = 0; at < registers.length; at += 1) if (registers[at] !== 0) count += 1;
  writer.varint(count);
  let next = 0;
  for (let at = 0; at < registers.length; at += 1) {
    if (registers[at] === 0) continue;
    writer.varint(at - next);
    writer.byte(registers[at]);
    next = at + 1;
  }
}

function readSparse(reader: CrdtReader, registers: Uint8Array, rankAtMost: number): void {
  const start = reader.position;
  const count = reader.count(2);
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    const at = next + reader.varint();
    const rank = reader.byte();
    if (at >= registers.length || rank === 0) reader.fail('a register is malformed');
    if (rank > rankAtMost) reader.fail(rankTooGreat);
    registers[at] = rank;
    next = at + 1;
  }
  if (reader.position - start >= denseBytes(registers)) reader.fail(otherFormIsShorter);
}

/** Four registers in three bytes, the first in the highest bits. */
function writeDense(writer: CrdtWriter, registers: Uint8Array): void {
  for (let at = 0; at < registers.length; at += 4) {
    const four =
      (registers[at] << 18) | (registers[at + 1] << 12) | (registers[at + 2] << 6) | registers[at + 3];
    writer.byte(four >>> 16);
    writer.byte((four >>> 8) & 0xff);
    writer.byte(four & 0xff);
  }
}

function readDense(reader: CrdtReader, registers: Uint8Array, rankAtMost: number): void {
  for (let at = 0; at < registers.length; at += 4) {
    const four = (reader.byte() << 16) | (reader.byte() << 8) | reader.byte();
    registers[at] = four >>> 18;
    registers[at + 1] = (four >>> 12) & 0x3f;
    registers[at + 2] = (four >>> 6) & 0x3f;
    registers[at + 3] = four & 0x3f;
    for (let i = at; i < at + 4; i += 1) if (registers[i] > rankAtMost) reader.fail(rankTooGreat);
  }
  if (formOf(registers) === formSparse) reader.fail(otherFormIsShorter);
}
