/** Parts that commands and states have in common, as fields. The numbers stand on disks and wires: none is reused. */
import type { NodeId } from '../../environment/index.ts';
import { assert, type FieldReader, type FieldWriter, unreachable } from '../../stdx/index.ts';
import type { Member, MemberStatus, MoveStage, StagedChange } from './cluster-state.ts';
import type { StageGoal } from './move-stage.ts';

export const statusCodes: readonly MemberStatus[] = ['joining', 'valid', 'leaving', 'exiting', 'down'];
export const stageCodes: readonly MoveStage[] = ['planned', 'copying', 'switched', 'released'];
export const goalCodes: readonly StageGoal[] = ['copying', 'switched', 'released', 'done'];
const stagedCodes = ['join', 'leave', 'remove', 'replace', 'force-replace', 'location'] as const;

export function writeCode<Word>(writer: FieldWriter, codes: readonly Word[], word: Word): void {
  const code = codes.indexOf(word);
  assert(code >= 0, 'every word has a code');
  writer.number(code);
}

export function readCode<Word>(reader: FieldReader, codes: readonly Word[]): Word {
  const code = reader.number();
  if (code >= codes.length) reader.fail();
  return codes[code] ?? codes[0];
}

export function writeOptional<Value>(
  writer: FieldWriter,
  value: Value | undefined,
  write: (value: Value) => void,
): void {
  writer.flag(value !== undefined);
  if (value !== undefined) write(value);
}

export function readOptional<Value>(reader: FieldReader, read: () => Value): Value | undefined {
  return reader.flag() ? read() : undefined;
}

export function readNode(reader: FieldReader): NodeId {
  return reader.text() as NodeId;
}

/** Maps are written in the order of their names, and read only so: equal maps have equal bytes. */
export function byName<Value>(map: ReadonlyMap<string, Value>): readonly [string, Value][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

export function readMap<Key extends string | number, Value>(
  reader: FieldReader,
  readEntry: () => readonly [Key, Value],
): Map<Key, Value> {
  const map = new Map<Key, Value>();
  let last: Key | undefined;
  reader.list(() => {
    const [key, value] = readEntry();
    if (last !== undefined && key <= last) reader.fail();
    last = key;
    map.set(key, value);
  });
  return map;
}

export function writeMember(writer: FieldWriter, member: Member): void {
  writer.text(member.node);
  writer.text(member.instance);
  writeAddress(writer, member.address);
  writeOptional(writer, member.location, (location) => writer.text(location));
  writeCode(writer, statusCodes, member.status);
  writer.list(byName(member.capabilities), ([name, version]) => {
    writer.text(name);
    writer.number(version);
  });
  writeOptional(writer, member.http, (address) => writeAddress(writer, address));
  writeOptional(writer, member.protobuf, (address) => writeAddress(writer, address));
}

export function readMember(reader: FieldReader): Member {
  return {
    node: readNode(reader),
    instance: reader.text(),
    address: readAddress(reader),
    location: readOptional(reader, () => reader.text()),
    status: readCode(reader, statusCodes),
    capabilities: readMap(reader, () => [reader.text(), reader.number()]),
    http: readOptional(reader, () => readAddress(reader)),
    protobuf: readOptional(reader, () => readAddress(reader)),
  };
}

export function writeStaged(writer: FieldWriter, change: StagedChange): void {
  writeCode(writer, stagedCodes, change.kind);
  writer.text(change.node);
  if ('by' in change) writer.text(change.by);
  if (change.kind === 'location') {
    writeOptional(writer, change.location, (location) => writer.text(location));
  }
}

export function readStaged(reader: FieldReader): StagedChange {
  const kind = readCode(reader, stagedCodes);
  const node = readNode(reader);
  switch (kind) {
    case 'join':
    case 'leave':
    case 'remove':
      return { kind, node };
    case 'replace':
    case 'force-replace':
      return { kind, node, by: readNode(reader) };
    case 'location':
      return { kind, node, location: readOptional(reader, () => reader.text()) };
    default:
      return unreachable(kind);
  }
}

function writeAddress(writer: FieldWriter, { host, port }: Member['address']): void {
  writer.text(host);
  writer.number(port);
}

function readAddress(reader: FieldReader): Member['address'] {
  return { host: reader.text(), port: reader.number() };
}
