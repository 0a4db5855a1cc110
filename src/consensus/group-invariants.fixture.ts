/**
 * What must hold of a group at every moment (Raft, figure 3.2), told of what every replica writes,
 * applies and becomes. Throws at the first violation.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Effect, Entry, LogIndex, PeerId, PersistedState, Term } from './index.ts';

/** A replica's log as its effects say, in memory: what it would answer for. */
class LogModel {
  base: { readonly index: LogIndex; readonly term: Term };
  entries: Entry[];

  constructor({ snapshot, entries }: PersistedState) {
    this.base = snapshot;
    this.entries = entries.filter(({ index }) => index > snapshot.index);
  }

  get lastIndex(): LogIndex {
    return this.base.index + this.entries.length;
  }

  termAt(index: LogIndex): Term | undefined {
    return index === this.base.index ? this.base.term : this.entries[index - this.base.index - 1]?.term;
  }

  replaceFrom(entries: readonly Entry[]): void {
    this.entries.splice(entries[0]!.index - this.base.index - 1);
    this.entries.push(...entries);
  }
}

export class GroupInvariants {
  readonly #leaders = new Map<Term, PeerId>();
  /** By index and term: the entry's content and the term of the one before. */
  readonly #entries = new Map<string, string>();
  readonly #applied = new Map<LogIndex, { readonly term: Term; readonly text: string }>();
  readonly #logs = new Map<PeerId, LogModel>();
  readonly #reigns = new Map<PeerId, Term>();
  appliedMax: LogIndex = 0;
  elections = 0;
  installs = 0;

  booted(id: PeerId, persisted: PersistedState): void {
    this.#logs.set(id, new LogModel(persisted));
    this.#reigns.delete(id);
  }

  saw(id: PeerId, effect: Effect): void {
    const log = this.#logs.get(id)!;
    switch (effect.kind) {
      case 'persist':
        if (effect.entries.length > 0) this.#wrote(id, log, effect.entries);
        break;
      case 'install-snapshot':
        this.installs += 1;
        assert.equal(
          this.#applied.get(effect.snapshot.index)?.term,
          effect.snapshot.term,
          'a snapshot is of what was committed',
        );
        log.base = effect.snapshot;
        log.entries = [];
        break;
      case 'apply':
        for (const entry of effect.entries) this.#apply(entry);
        break;
      case 'role':
        this.#reigns.delete(id);
        if (effect.role === 'leader') this.#reigns.set(id, effect.term);
        break;
      default:
        break;
    }
  }

  /** After all effects of a step: a new leader's log is judged with what it wrote in it. */
  stepped(id: PeerId, effects: readonly Effect[]): void {
    const role = effects.find((effect) => effect.kind === 'role');
    if (role?.kind === 'role' && role.role === 'leader') this.#elected(id, role.term);
  }

  #wrote(id: PeerId, log: LogModel, entries: readonly Entry[]): void {
    const first = entries[0]!;
    if (this.#reigns.has(id)) {
      assert.ok(first.index > log.lastIndex, 'leader append-only: a leader overwrote its log');
    }
    assert.ok(first.index <= log.lastIndex + 1, 'a log has no gap');
    log.replaceFrom(entries);
    for (const { index, term, ...rest } of entries) {
      const committed = this.#applied.get(index);
      const previous = log.termAt(index - 1);
      const text = `${previous} ${textOf({ index, term, ...rest } as Entry)}`;
      const key = `${index}@${term}`;
      assert.equal(this.#entries.get(key) ?? text, text, `log matching: two entries at ${key}`);
      this.#entries.set(key, text);
      if (committed !== undefined && term > committed.term) {
        assert.fail(`leader completeness: committed ${index}@${committed.term} replaced in term ${term}`);
      }
    }
  }

  #apply(entry: Entry): void {
    const text = textOf(entry);
    const known = this.#applied.get(entry.index);
    assert.equal(known?.text ?? text, text, `state machine safety: two entries applied at ${entry.index}`);
    this.#applied.set(entry.index, { term: entry.term, text });
    this.appliedMax = Math.max(this.appliedMax, entry.index);
  }

  #elected(id: PeerId, term: Term): void {
    this.elections += 1;
    assert.equal(this.#leaders.get(term) ?? id, id, `election safety: two leaders in term ${term}`);
    this.#leaders.set(term, id);
    const log = this.#logs.get(id)!;
    for (const [index, committed] of this.#applied) {
      if (index <= log.base.index) continue;
      const held = log.termAt(index);
      assert.equal(held, committed.term, `leader completeness: ${id} of term ${term} lacks ${index}`);
    }
  }
}

export function textOf(entry: Entry): string {
  if (entry.kind === 'command') return `${entry.term} ${Buffer.from(entry.bytes).toString()}`;
  if (entry.kind === 'blank') return `${entry.term} blank`;
  const { voters, outgoing, learners } = entry.membership;
  return `${entry.term} {${voters.join()}|${outgoing.join()}|${learners.join()}}`;
}
