/** The two machines against a link that keeps the order and loses what is under way whenever it likes. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import { type IncomingEffect, IncomingTransfer } from './incoming-transfer.ts';
import { type OutgoingEffect, OutgoingTransfer, type TransferOutcome } from './outgoing-transfer.ts';
import type { OpenTransfer, ReceiverMessage, SenderMessage } from './transfer-message.ts';

const head: Omit<OpenTransfer, 'first'> = {
  kind: 'open',
  id: '0011223344556677',
  purpose: 'move',
  partition: 0 as Partition,
  source: 0 as Partition,
  since: 1,
  clusterId: 'c',
  generation: 1,
  epoch: 1,
  fromInstance: 'sender',
  to: 'b',
  toInstance: 'receiver',
};
const outgoing = { silenceMsMax: 100, reopenDelayMs: 10, breaksMax: 1000, windowMax: 16 };
const incoming = { window: 3, idleMsMax: 100_000 };

/** What may happen next: an index into what can be done, or a fault. */
type Chance = number;

/** One transfer of `slices`, with the order of events and the faults as `chances` say; then without faults. */
class Rig {
  readonly sender = new OutgoingTransfer(head, outgoing);
  receiver: IncomingTransfer | undefined;
  readonly stored: string[] = [];
  readonly settled: string[] = [];
  outcome: TransferOutcome | undefined;
  batchesSent = 0;
  closes = 0;
  breaks = 0;
  now = 0 as Instant;
  readonly #slices: (readonly string[])[];
  #reads = 0;
  #toReceiver: SenderMessage[] = [];
  #toSender: ReceiverMessage[] = [];
  #merging: { number: number; items: readonly Buffer[] }[] = [];

  constructor(slices: readonly (readonly string[])[]) {
    this.#slices = [...slices];
    this.#do(this.sender.step({ kind: 'start' }, this.now));
  }

  play(chances: readonly Chance[]): void {
    for (const chance of chances) this.#next(chance);
    for (let i = 0; i < 10_000 && this.outcome === undefined; i++) this.#next(i % 4);
  }

  #next(chance: Chance): void {
    this.now = (this.now + 1) as Instant;
    switch (chance) {
      case 0: {
        const message = this.#toReceiver.shift();
        if (message !== undefined) this.#arrive(message);
        break;
      }
      case 1: {
        const message = this.#toSender.shift();
        if (message !== undefined) this.#do(this.sender.step({ kind: 'message', message }, this.now));
        break;
      }
      case 2: {
        const merge = this.#merging.shift();
        if (merge !== undefined) this.#merged(merge);
        break;
      }
      case 3:
        if (this.#reads > 0) {
          this.#reads -= 1;
          const items = this.#slices.shift()?.map((item) => Buffer.from(item));
          const event = items
            ? ({ kind: 'slice', items } as const)
            : ({ kind: 'ended', unreadable: 0 } as const);
          this.#do(this.sender.step(event, this.now));
        }
        break;
      case 4:
        this.#break();
        break;
      case 5:
        // The receiver dies with all that it was merging.
        this.receiver = undefined;
        this.#merging = [];
        this.#break();
        break;
      case 6:
        // Lost without a word.
        this.#toReceiver.shift();
        break;
      case 7:
        // Merged out of order.
        if (this.#merging.length > 1) this.#merged(this.#merging.pop()!);
        break;
      default:
        this.now = (this.now + 60) as Instant;
    }
    const deadline = this.sender.deadline();
    if (deadline !== undefined && deadline <= this.now)
      this.#do(this.sender.step({ kind: 'wake' }, this.now));
  }

  #break(): void {
    this.breaks += 1;
    this.#toReceiver = [];
    this.#toSender = [];
    this.#do(this.sender.step({ kind: 'disconnected' }, this.now));
  }

  #arrive(message: SenderMessage): void {
    if (message.kind === 'open') {
      this.receiver ??= new IncomingTransfer(head.id, 'receiver', message.first, incoming);
      this.#carryOut(this.receiver.step({ kind: 'open' }, this.now));
    } else if (this.receiver === undefined) {
      this.#toSender.push({ kind: 'refuse', id: head.id, code: 'unknown', reason: '' });
    } else if (message.kind === 'batch') {
      this.#carryOut(this.receiver.step({ kind: 'batch', batch: message }, this.now));
    } else if (message.kind === 'close') this.receiver = undefined;
    else this.#carryOut(this.receiver.step({ kind: 'end', end: message }, this.now));
  }

  #merged({ number, items }: { number: number; items: readonly Buffer[] }): void {
    this.stored.push(...items.map(String));
    if (this.receiver !== undefined) this.#carryOut(this.receiver.step({ kind: 'merged', number }, this.now));
  }

  #carryOut(effects: readonly IncomingEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#toSender.push(effect.message);
      else if (effect.kind === 'merge') this.#merging.push(effect);
      else if (effect.kind === 'closed') this.receiver = undefined;
    }
  }

  #do(effects: readonly OutgoingEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.#toReceiver.push(effect.message);
          if (effect.message.kind === 'batch') this.batchesSent += 1;
          if (effect.message.kind === 'close') this.closes += 1;
          break;
        case 'read':
          this.#reads += 1;
          assert.equal(this.#reads, 1, 'one read at a time');
          break;
        case 'settled':
          for (const item of effect.items) {
            assert.ok(this.stored.includes(String(item)), 'H1: settled is stored');
            this.settled.push(String(item));
          }
          break;
        case 'finished':
          this.outcome = effect.outcome;
      }
    }
  }
}

const slices = fc
  .array(fc.nat(4), { minLength: 4, maxLength: 12 })
  .map((sizes) => sizes.map((size, slice) => Array.from({ length: size }, (_, i) => `item ${slice}.${i}`)));
const chances = fc.array(
  fc.oneof({ weight: 8, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 4, max: 8 }) }),
  { minLength: 60, maxLength: 200 },
);

test('H1, H3: whatever breaks, a complete transfer has stored and settled every item, each settled once', () => {
  fc.assert(
    fc.property(slices, chances, (given, chosen) => {
      const rig = new Rig(given);
      rig.play(chosen);
      const items = given.flat();
      assert.deepEqual(rig.outcome, { kind: 'complete', items: items.length });
      for (const item of items) assert.ok(rig.stored.includes(item), `${item} is stored`);
      assert.deepEqual([...rig.settled].sort(), [...items].sort());
      assert.equal(rig.closes, 0, 'what is complete is not given up');
    }),
    { numRuns: 1000 },
  );
});

test('H2: no more than the window is under way; a break costs no more than the window again', () => {
  fc.assert(
    fc.property(slices, chances, (given, chosen) => {
      const rig = new Rig(given);
      rig.play(chosen.filter((chance) => chance <= 5));
      assert.ok(rig.batchesSent <= given.length + rig.breaks * incoming.window, `${rig.batchesSent} batches`);
      // The receiver refuses what the window has no room for.
      assert.equal(rig.outcome?.kind, 'complete');
    }),
    { numRuns: 300 },
  );
});

test('who gives a transfer up says so, once', () => {
  const sender = new OutgoingTransfer(head, outgoing);
  sender.step({ kind: 'start' }, 0 as Instant);
  const kinds = sender
    .step({ kind: 'cancel' }, 1 as Instant)
    .map((effect) => (effect.kind === 'send' ? effect.message.kind : effect.kind));
  assert.deepEqual(kinds, ['close', 'finished']);
  assert.deepEqual(sender.step({ kind: 'cancel' }, 2 as Instant), []);
});

test('H3: an acceptance by another instance, or of batches that were never sent, ends the transfer', () => {
  for (const change of [{ instance: 'another' }, { first: 3, next: 3 }, { next: 1 }]) {
    const sender = new OutgoingTransfer(head, outgoing);
    sender.step({ kind: 'start' }, 0 as Instant);
    const accept = {
      kind: 'accept',
      id: head.id,
      instance: 'receiver',
      first: 0,
      next: 0,
      window: 3,
    } as const;
    const effects = sender.step({ kind: 'message', message: { ...accept, ...change } }, 1 as Instant);
    const [close, finished] = effects;
    assert.ok(close.kind === 'send' && close.message.kind === 'close', 'the receiver keeps no place for it');
    assert.ok(finished.kind === 'finished' && finished.outcome.kind === 'refused');
  }
});

test('H6: what has another count or hash than was sent is not confirmed', () => {
  for (const change of [{ count: 2 }, { hash: 7 }, { batches: 0 }]) {
    const receiver = new IncomingTransfer(head.id, 'receiver', 0, incoming);
    const now = 0 as Instant;
    receiver.step({ kind: 'open' }, now);
    receiver.step(
      { kind: 'batch', batch: { kind: 'batch', id: head.id, number: 0, items: [Buffer.from('x')] } },
      now,
    );
    const sent = new OutgoingTransfer(head, outgoing);
    sent.step({ kind: 'start' }, now);
    const accept = {
      kind: 'accept',
      id: head.id,
      instance: 'receiver',
      first: 0,
      next: 0,
      window: 3,
    } as const;
    sent.step({ kind: 'message', message: accept }, now);
    sent.step({ kind: 'slice', items: [Buffer.from('x')] }, now);
    const [effect] = sent.step({ kind: 'ended', unreadable: 0 }, now);
    assert.ok(effect.kind === 'send' && effect.message.kind === 'end');
    receiver.step({ kind: 'end', end: { ...effect.message, ...change } }, now);
    const effects = receiver.step({ kind: 'merged', number: 0 }, now);
    const answer = effects.find((each) => each.kind === 'send' && each.message.kind !== 'ack');
    assert.ok(answer?.kind === 'send' && answer.message.kind === 'refuse');
    assert.equal(receiver.isComplete, false);
  }
});
