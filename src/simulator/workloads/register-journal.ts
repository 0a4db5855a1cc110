/**
 * The smallest durable server: registers of numbers, a journal, one sync per turn. It exists to be
 * broken by the simulator, in one way on request: `acksBeforeSync` is the canary's planted bug.
 *
 * Frames both ways are 9 bytes: kind, key, value. Records are 12: key, value, CRC-32 of both.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Address, Connection, DiskFile, Environment } from '../../environment/index.ts';

export const frameBytes = 9;
export const frameKind = { put: 1, get: 2, ack: 3, value: 4 } as const;
const recordBytes = 12;

export interface Frame {
  readonly kind: number;
  readonly key: number;
  readonly value: number;
}

export interface RegisterJournalOptions {
  readonly address: Address;
  readonly acksBeforeSync: boolean;
}

export function encodeFrame({ kind, key, value }: Frame): Buffer {
  const bytes = Buffer.alloc(frameBytes);
  bytes[0] = kind;
  bytes.writeUInt32LE(key, 1);
  bytes.writeUInt32LE(value, 5);
  return bytes;
}

/** Cuts a stream into frames, whatever pieces it comes in. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  frames(chunk: Buffer): readonly Frame[] {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    for (; at + frameBytes <= bytes.length; at += frameBytes) {
      frames.push({ kind: bytes[at]!, key: bytes.readUInt32LE(at + 1), value: bytes.readUInt32LE(at + 5) });
    }
    this.#rest = bytes.subarray(at);
    return frames;
  }
}

export async function serveRegisters(
  environment: Environment,
  options: RegisterJournalOptions,
): Promise<void> {
  const file = await environment.disk.open('journal', { create: true });
  await environment.disk.syncDirectory('');
  const server = new RegisterServer(environment, file, options.acksBeforeSync);
  await server.recover();
  await environment.network.listen(options.address, (connection) => {
    const reader = new FrameReader();
    return {
      data: (chunk) => {
        for (const frame of reader.frames(chunk)) server.handle(frame, connection);
      },
      drain: () => undefined,
      closed: () => undefined,
    };
  });
}

class RegisterServer {
  readonly #environment: Environment;
  readonly #file: DiskFile;
  readonly #acksBeforeSync: boolean;
  readonly #registers = new Map<number, number>();
  #end = 0;
  #batch: { readonly frame: Frame; readonly connection: Connection }[] = [];
  #isWriting = false;

  constructor(environment: Environment, file: DiskFile, acksBeforeSync: boolean) {
    this.#environment = environment;
    this.#file = file;
    this.#acksBeforeSync = acksBeforeSync;
  }

  /** Reads records up to the first that is torn; none behind it was acked. */
  async recover(): Promise<void> {
    const bytes = this.#file.read(0, this.#file.size);
    let end = 0;
    while (end + recordBytes <= bytes.length) {
      const body = bytes.subarray(end, end + 8);
      if (bytes.readUInt32LE(end + 8) !== crc32(body)) break;
      this.#registers.set(body.readUInt32LE(0), body.readUInt32LE(4));
      end += recordBytes;
    }
    this.#end = end;
    await this.#file.truncate(end);
    await this.#file.sync();
  }

  handle(frame: Frame, connection: Connection): void {
    if (frame.kind === frameKind.get) {
      const value = this.#registers.get(frame.key) ?? 0;
      connection.write(encodeFrame({ kind: frameKind.value, key: frame.key, value }));
      return;
    }
    this.#batch.push({ frame, connection });
    this.#environment.tasks.endOfTurn(() => this.#writeIfIdle());
  }

  #writeIfIdle(): void {
    if (this.#isWriting || this.#batch.length === 0) return;
    this.#isWriting = true;
    this.#environment.tasks.spawn('journal', () => this.#write());
  }

  async #write(): Promise<void> {
    while (this.#batch.length > 0) {
      const batch = this.#batch;
      this.#batch = [];
      const bytes = Buffer.concat(batch.map(({ frame }) => encodeRecord(frame)));
      await this.#file.write(this.#end, bytes);
      this.#end += bytes.length;
      if (this.#acksBeforeSync) this.#ack(batch);
      await this.#file.sync();
      if (!this.#acksBeforeSync) this.#ack(batch);
    }
    this.#isWriting = false;
  }

  #ack(batch: readonly { readonly frame: Frame; readonly connection: Connection }[]): void {
    for (const { frame, connection } of batch) {
      this.#registers.set(frame.key, frame.value);
      connection.write(encodeFrame({ ...frame, kind: frameKind.ack }));
    }
  }
}

function encodeRecord({ key, value }: Frame): Buffer {
  const bytes = Buffer.alloc(recordBytes);
  bytes.writeUInt32LE(key, 0);
  bytes.writeUInt32LE(value, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 8)), 8);
  return bytes;
}
