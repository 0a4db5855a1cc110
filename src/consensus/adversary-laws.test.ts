/**
 * The safety properties of Raft against an adversary: there is no time; every message, every write and
 * every election happens when the story says, or never, or twice. It reaches in a few hundred steps what a
 * network with delays reaches once in a million: votes that cross a crash, old acknowledgements, the
 * commit of figure 3.7.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../environment/index.ts';
import { GroupInvariants } from './group-invariants.fixture.ts';
import { defaultOptions, foundingState, type PeerId, type SendEffect } from './index.ts';
import { peersOf } from './lone-replica.fixture.ts';
import { type HostWorld, ReplicaHost } from './replica-host.fixture.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 400);

type Action =
  | { readonly kind: 'campaign' | 'propose' | 'write' | 'crash' | 'boot'; readonly at: number }
  /** Of the messages under way, one: delivered, delivered but kept, or lost. */
  | { readonly kind: 'deliver' | 'repeat' | 'lose'; readonly which: number };

const at = fc.nat({ max: 4 });
const which = fc.nat();
const action: fc.Arbitrary<Action> = fc.oneof(
  // Mostly one of the oldest, so that things get done; now and then any.
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('deliver' as const), which: fc.nat({ max: 3 }) }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('deliver' as const), which }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('repeat' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose' as const), which }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('write' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('campaign' as const), at }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('propose' as const), at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), at }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('boot' as const), at }) },
);

const story = fc.record({
  size: fc.constantFrom(2, 3, 3, 3, 4, 5),
  actions: fc.array(action, { minLength: 200, maxLength: 800, size: 'max' }),
});

class Adversary {
  readonly invariants = new GroupInvariants();
  readonly #hosts: readonly ReplicaHost[];
  readonly #messages: { readonly from: PeerId; readonly send: SendEffect }[] = [];
  readonly #writes = new Map<PeerId, (() => void)[]>();
  #proposed = 0;

  constructor(size: number) {
    const founders = peersOf('abcde'.slice(0, size));
    const initial = foundingState(founders);
    this.#hosts = founders.map((id) => new ReplicaHost(id, initial, this.#worldOf(id)));
  }

  act(step: Action): void {
    if ('which' in step) {
      if (this.#messages.length > 0) this.#carry(step.kind, step.which % this.#messages.length);
      return;
    }
    const host = this.#hosts[step.at % this.#hosts.length]!;
    switch (step.kind) {
      case 'campaign':
        this.#campaign(host);
        break;
      case 'propose': {
        this.#proposed += 1;
        const bytes = Buffer.from(`p${this.#proposed}`);
        host.step({ kind: 'propose', proposals: [{ token: this.#proposed, bytes }] });
        break;
      }
      case 'write':
        this.#writes.get(host.id)?.shift()?.();
        break;
      case 'crash':
        host.crash();
        this.#writes.set(host.id, []);
        break;
      case 'boot':
        if (!host.isUp) host.boot();
        break;
    }
  }

  #carry(kind: 'deliver' | 'repeat' | 'lose', place: number): void {
    const { from, send } = this.#messages[place]!;
    if (kind !== 'repeat') this.#messages.splice(place, 1);
    if (kind === 'lose') return;
    const to = this.#hosts.find(({ id }) => id === send.to);
    to?.step({ kind: 'message', from, message: send.message });
  }

  /** As if the leader of its term had asked it to: no pre-vote, and nobody minds a leader that is there. */
  #campaign(host: ReplicaHost): void {
    if (!host.isUp || host.replica.status().role === 'leader') return;
    const from = this.#hosts.find(({ id }) => id !== host.id)!.id;
    const { term } = host.replica.status();
    host.step({ kind: 'message', from, message: { kind: 'timeout-now', term } });
  }

  #worldOf(id: PeerId): HostWorld {
    this.#writes.set(id, []);
    return {
      // One entry at a time: entries of old terms get somewhere without the one that opens the new term.
      options: { ...defaultOptions, appendEntriesMax: 1 },
      random: { fraction: () => 0.5 },
      now: () => 0 as Instant,
      afterWrite: (run) => this.#writes.get(id)!.push(run),
      send: (from, send) => {
        this.#messages.push({ from, send });
      },
      saw: (from, effects) => {
        for (const effect of effects) this.invariants.saw(from, effect);
        this.invariants.stepped(from, effects);
      },
      booted: (from, persisted) => this.invariants.booted(from, persisted),
    };
  }
}

test('Raft figure 3.2: the five safety properties hold against an adversary that orders everything', () => {
  let elections = 0;
  let applied = 0;
  fc.assert(
    fc.property(story, ({ size, actions }) => {
      const adversary = new Adversary(size);
      for (const step of actions) adversary.act(step);
      elections += adversary.invariants.elections;
      applied += adversary.invariants.appliedMax;
    }),
    { numRuns, includeErrorInReport: true },
  );
  assert.ok(elections >= numRuns, `${elections} elections`);
  assert.ok(applied >= numRuns, `${applied} entries applied`);
});
