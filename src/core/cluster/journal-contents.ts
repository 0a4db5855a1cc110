/**
 * What the records of the journal add up to, one after another: the mirror of what will be on disk.
 *
 * A record that is damaged or missing costs the part that it may have belonged to, until a later record
 * replaces that part as a whole.
 */
import type { Entry, HardState, LogIndex, LogWrite, PersistedState } from '../../consensus/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { type ClusterState, decodeCommand, fold } from '../topology/index.ts';
import { AgreedState } from './agreed-state.ts';
import type { JournalRecord, StoredIdentity, StoredReplica } from './journal-record.ts';
import { NamedMembers } from './named-members.ts';

/** A replica as it was persisted. */
export interface ReplicaContents {
  readonly stored: StoredReplica;
  readonly persisted: PersistedState;
}

const unwrittenHardState: HardState = { term: 0, vote: undefined, isJoining: true };

export class JournalContents {
  #identity: StoredIdentity | undefined;
  #state: ClusterState | undefined;
  #isStateWhole = true;
  #replica: ReplicaContents | undefined;
  /** Of the replica; appended to in place, for a log may be long. */
  #entries: Entry[] = [];
  #isReplicaWhole = true;
  #isFresh = true;
  readonly #unfolded = new NamedMembers();

  /** There was no record at all, sound or not. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  get identity(): StoredIdentity | undefined {
    return this.#identity;
  }

  /** The newest that is known; see `isStateWhole`. */
  get state(): ClusterState | undefined {
    return this.#state;
  }

  /** False: this node had followed further than `state`, and may have said so. */
  get isStateWhole(): boolean {
    return this.#isStateWhole;
  }

  /** Whether there is a trace of members but `self`, though `state` may not have them. */
  namesOthers(self: NodeId): boolean {
    if (this.#unfolded.hasOthers(self)) return true;
    const logged = new NamedMembers();
    if (this.#replica !== undefined) {
      logged.group(this.#replica.persisted.snapshot.membership);
      logged.entries(this.#entries, (index) => this.#isFolded(index));
    }
    return logged.hasOthers(self);
  }

  /** An entry makes one epoch at the most. */
  #isFolded(index: LogIndex): boolean {
    const { stored } = this.#replica!;
    const agreed = stored.agreed.length === 0 ? undefined : AgreedState.decode(stored.agreed)?.cluster;
    if (agreed === undefined || agreed.generation !== this.#state?.generation) return false;
    return agreed.epoch + index - stored.mark.index <= this.#state.epoch;
  }

  /** What it shows goes on with the next record. */
  get replica(): ReplicaContents | undefined {
    return this.#replica;
  }

  /** False: the replica may have promised what it does not have any more. */
  get isReplicaWhole(): boolean {
    return this.#isReplicaWhole;
  }

  /** A record that cannot be read any more. */
  lost(): void {
    this.#isFresh = false;
    this.#isStateWhole = false;
    this.#isReplicaWhole = false;
  }

  /** `folded`: what the command of the record makes of the state, by whoever has folded it already. */
  add(record: JournalRecord, folded?: ClusterState): void {
    this.#isFresh = false;
    switch (record.kind) {
      case 'identity':
        this.#identity = record.identity;
        break;
      case 'state':
        this.#state = record.state;
        this.#isStateWhole = true;
        break;
      case 'command':
        this.#fold(record, folded);
        break;
      case 'replica':
        this.#begin(record.replica);
        break;
      case 'log':
        this.#write(record.write);
        break;
      case 'no-replica':
        this.#replica = undefined;
        this.#isReplicaWhole = true;
        break;
    }
  }

  #fold(
    { at, command }: Extract<JournalRecord, { kind: 'command' }>,
    folded: ClusterState | undefined,
  ): void {
    const state = this.#state;
    // Behind a damaged record the way is broken.
    if (state === undefined || state.generation !== at.generation || state.epoch + 1 !== at.epoch) {
      this.#isStateWhole = false;
      this.#unfolded.command(command);
      return;
    }
    if (folded !== undefined) {
      assert(
        folded.generation === at.generation && folded.epoch === at.epoch,
        'it is the state of the record',
      );
      this.#state = folded;
      return;
    }
    const decoded = decodeCommand(command);
    assert(decoded !== undefined, 'a command of the journal is whole');
    this.#state = fold(state, decoded).state;
  }

  /** Of the replica that runs here already, a snapshot keeps the hard state until the next `log` record. */
  #begin(stored: StoredReplica): void {
    const known = this.#replica?.stored.name === stored.name ? this.#replica.persisted : undefined;
    const hardState = known?.hardState ?? unwrittenHardState;
    this.#entries = [];
    this.#replica = { stored, persisted: { hardState, snapshot: stored.mark, entries: this.#entries } };
    this.#isReplicaWhole = true;
  }

  #write({ hardState, entries }: LogWrite): void {
    if (this.#replica === undefined) return;
    const { stored, persisted } = this.#replica;
    const from: LogIndex = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    while (this.#entries.length > 0 && this.#entries.at(-1)!.index >= from) this.#entries.pop();
    for (const entry of entries) this.#entries.push(entry);
    if (hardState !== undefined) this.#replica = { stored, persisted: { ...persisted, hardState } };
  }
}
