import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import type { Messenger } from '../transport/index.ts';
import { TransferOutbox } from './transfer-outbox.ts';

const peer = nodeIdOf('b@here');
const batch = { kind: 'batch', id: '0102030405060708', number: 0, items: [Buffer.alloc(100)] } as const;

/** Refuses all until `open`; what it says of room is up to the test. */
class StubbornMessenger implements Messenger {
  readonly self = nodeIdOf('a@here');
  readonly messageBytesMax = Infinity;
  isOpen = false;
  tried = 0;
  sent = 0;
  readonly #whenWritable: (run: () => void) => void;

  constructor(whenWritable: (run: () => void) => void) {
    this.#whenWritable = whenWritable;
  }

  receive(): void {}
  onDisconnect(): void {}
  queuedBytes(): number {
    return 1;
  }
  send(): boolean {
    this.tried += 1;
    if (this.isOpen) this.sent += 1;
    return this.isOpen;
  }
  whenWritable(_to: unknown, _traffic: unknown, run: () => void): void {
    this.#whenWritable(run);
  }
}

test('a messenger that refuses and says at once that it has room is not asked again before the next message', () => {
  const messenger = new StubbornMessenger((run) => run());
  const outbox = new TransferOutbox(messenger, peer);
  outbox.send(batch);
  assert.equal(messenger.tried, 1);
  messenger.isOpen = true;
  outbox.send(batch);
  assert.equal(messenger.sent, 2, 'both go, in order');
});

test('what was refused goes when there is room, though other messages were sent meanwhile', () => {
  const waiters: (() => void)[] = [];
  const messenger = new StubbornMessenger((run) => void waiters.push(run));
  const outbox = new TransferOutbox(messenger, peer);
  for (let i = 0; i < 3; i += 1) outbox.send(batch);
  assert.equal(waiters.length, 1, 'it waits once for all');
  messenger.isOpen = true;
  waiters[0]!();
  assert.equal(messenger.sent, 3);
});
