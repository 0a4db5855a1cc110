/** A batch as one value: number of writes, then of each the lengths of key and value (-1: a deletion), and both. */
import { Buffer } from 'node:buffer';
import { WriteBatch } from '../storage-engine.ts';

const countBytes = 4;
const headBytes = 8;
const deletion = -1;

export function encodeBatch(batch: WriteBatch): Buffer {
  const record = Buffer.allocUnsafe(countBytes + headBytes * batch.length + batch.byteLength);
  let at = record.writeUInt32BE(batch.length, 0);
  for (let i = 0; i < batch.length; i++) {
    const key = batch.keys[i]!;
    const value = batch.values[i];
    at = record.writeUInt32BE(key.length, at);
    at = record.writeInt32BE(value === undefined ? deletion : value.length, at);
    at += key.copy(record, at);
    if (value !== undefined) at += value.copy(record, at);
  }
  return record;
}

/** Throws `RangeError` if no `encodeBatch` wrote this. */
export function decodeBatch(record: Buffer): WriteBatch {
  const batch = new WriteBatch();
  const count = record.readUInt32BE(0);
  let at = countBytes;
  for (let i = 0; i < count; i++) {
    const keyEnd = at + headBytes + record.readUInt32BE(at);
    const valueBytes = record.readInt32BE(at + 4);
    const end = keyEnd + Math.max(0, valueBytes);
    if (end > record.length) throw new RangeError('a batch ends before its record does');
    const key = record.subarray(at + headBytes, keyEnd);
    if (valueBytes === deletion) batch.delete(key);
    else batch.put(key, record.subarray(keyEnd, end));
    at = end;
  }
  return batch;
}
