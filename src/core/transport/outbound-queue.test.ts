import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { Clock, Instant } from '../../environment/index.ts';
import { BufferPool, pooledBytes } from './buffer-pool.ts';
import { channel } from './messenger.ts';
import { OutboundQueue } from './outbound-queue.ts';

class HandClock implements Clock {
  nowMs = 0;
  now(): Instant {
    return this.nowMs as Instant;
  }
  wallMicros(): never {
    throw new Error('nobody asks');
  }
}

/** A connection that keeps what it was given by reference, as a socket does, until it has sent it. */
class Wire {
  queued: Buffer[] = [];
  arrived = Buffer.alloc(0);
  /** Writes that it takes before it says that it is full. */
  room = Infinity;
  write(bytes: Buffer): boolean {
    this.queued.push(bytes);
    this.room -= 1;
    return this.room > 0;
  }
  transmit(): void {
    this.arrived = Buffer.concat([this.arrived, ...this.queued]);
    this.queued = [];
  }
  messages(): { readonly on: number; readonly body: Buffer; readonly waitedMs: number }[] {
    const found = [];
    for (let at = 0; at < this.arrived.length; ) {
      const end = at + 4 + this.arrived.readUInt32BE(at);
      assert.equal(this.arrived[at + 4], 6);
      assert.equal(this.arrived.readUInt32BE(at + 5), crc32(this.arrived.subarray(at + 9, end)), 'checksum');
      const waitedMs = this.arrived.readUInt32BE(at + 9);
      for (let message = at + 13; message < end; ) {
        const next = message + 5 + this.arrived.readUInt32BE(message);
        found.push({
          on: this.arrived[message + 4]!,
          body: this.arrived.subarray(message + 5, next),
          waitedMs,
        });
        message = next;
      }
      at = end;
    }
    return found;
  }
}

test('law: whatever is flushed and sent when, messages come out as they went in, in order', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), size: fc.nat(5000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('append' as const), size: fc.nat(80_000) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('flush' as const), size: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('transmit' as const), size: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new OutboundQueue(new BufferPool(), new HandClock());
      const wire = new Wire();
      const sizes: number[] = [];
      for (const { kind, size } of [...steps, { kind: 'flush' as const, size: 1e9 }]) {
        if (kind === 'append') {
          if (wire.queued.length === 0 && queue.bytes === 0) queue.drained();
          const mark = sizes.length & 0xff;
          const tailBytes = size > 4000 && size % 2 === 0 ? size - 1000 : 0;
          const head = size - tailBytes;
          const fill = (into: Buffer, at: number): void => void into.fill(mark, at, at + head);
          if (tailBytes === 0) queue.append(channel.vnode, size, fill);
          else queue.appendWithTail(channel.vnode, size, fill, Buffer.alloc(tailBytes, mark));
          sizes.push(size);
        } else if (kind === 'transmit') wire.transmit();
        else {
          wire.room = size + 1;
          const isEmpty = queue.flush(wire, true);
          assert.equal(isEmpty, queue.bytes === 0);
          assert.equal(isEmpty, queue.messages === 0);
        }
      }
      wire.transmit();
      const messages = wire.messages();
      assert.deepEqual(
        messages.map(({ body }) => body.length),
        sizes,
      );
      for (const [i, { body, on }] of messages.entries()) {
        assert.equal(on, channel.vnode);
        assert.ok(body.equals(Buffer.alloc(body.length, i & 0xff)), `message ${i} is whole`);
      }
    }),
    { numRuns: 300 },
  );
});

test('messages of a turn make one frame; a frame says how long it waited', () => {
  const clock = new HandClock();
  const queue = new OutboundQueue(new BufferPool(), clock);
  const wire = new Wire();
  for (let i = 0; i < 32; i += 1) queue.append(channel.vnode, 100, () => undefined);
  clock.nowMs = 70;
  queue.flush(wire, true);
  assert.equal(wire.queued.length, 1);
  wire.transmit();
  assert.deepEqual(new Set(wire.messages().map(({ waitedMs }) => waitedMs)), new Set([70]));
});

test('buffers come back when nothing is under way, and not before', () => {
  const pool = new BufferPool();
  const queue = new OutboundQueue(pool, new HandClock());
  const wire = new Wire();
  const fill = (): void => undefined;
  for (let i = 0; i < 3; i += 1) queue.append(channel.vnode, pooledBytes - 100, fill);
  queue.flush(wire, true);
  const given = new Set(wire.queued.map(({ buffer }) => buffer));
  assert.equal(given.size, 3);
  assert.ok(!given.has(pool.lend().buffer), 'bytes under way keep their buffer');
  queue.drained();
  queue.releaseBuffer();
  const lent = [pool.lend(), pool.lend(), pool.lend()].map(({ buffer }) => buffer);
  assert.deepEqual(new Set(lent), given);
});

test('drop forgets all and says how many', () => {
  const queue = new OutboundQueue(new BufferPool(), new HandClock());
  const wire = new Wire();
  for (let i = 0; i < 3; i += 1) queue.append(channel.vnode, 50_000, () => undefined);
  queue.append(channel.vnode, 5, () => undefined);
  assert.equal(queue.drop(), 4);
  assert.equal(queue.bytes, 0);
  assert.ok(queue.flush(wire, true));
  assert.equal(wire.queued.length, 0);
});
