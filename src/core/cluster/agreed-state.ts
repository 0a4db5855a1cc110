/**
 * What the entries of the consensus log fold into at a voter: the cluster's state, and the verdicts on the
 * proposals that were folded last, so that a copy of one that comes late changes nothing.
 *
 *   G1. A proposal is folded at most once. Its id is remembered until `verdictsMax` others were folded after it;
 *       from then on it is `late`, because it was made at an epoch before the one at which it was forgotten.
 *   G2. A proposal made in another generation is never folded: what was proposed before a `recover` was judged
 *       by a state that no longer is.
 *   G3. Each folded proposal raises the epoch by one, refused or not; nothing else does.
 */
import type { Buffer } from 'node:buffer';
import { assert, FieldReader, FieldWriter } from '../../stdx/index.ts';
import { type ClusterState, decodeCommand, decodeState, encodeState, fold } from '../topology/index.ts';
import { decodeProposal, proposalIdOf } from './proposal.ts';
import { readVerdict, type Verdict, writeVerdict } from './verdict.ts';

/** Proposals, folded one after another, that a retry may outlive. */
export const verdictsMax = 1024;
const version = 1;

export type Folded =
  | { readonly kind: 'new'; readonly id: string; readonly verdict: Verdict; readonly command: Buffer }
  | { readonly kind: 'copy' | 'late'; readonly id: string; readonly verdict: Verdict };

export class AgreedState {
  #cluster: ClusterState;
  /** By proposal, the oldest first. */
  readonly #verdicts: Map<string, Verdict>;
  /** Whatever was made before it may have been folded and forgotten. */
  #forgottenAt: number;

  private constructor(cluster: ClusterState, verdicts: Map<string, Verdict>, forgottenAt: number) {
    this.#cluster = cluster;
    this.#verdicts = verdicts;
    this.#forgottenAt = forgottenAt;
  }

  /** The first state of a generation. */
  static beginningWith(cluster: ClusterState): AgreedState {
    return new AgreedState(cluster, new Map(), 0);
  }

  get cluster(): ClusterState {
    return this.#cluster;
  }

  /** What is known of a proposal without folding it. */
  verdictOn(id: string): Verdict | undefined {
    return this.#verdicts.get(id);
  }

  /** Folds a committed entry. All voters must do the same: what this version cannot read it must not skip. */
  fold(bytes: Uint8Array): Folded {
    const proposal = decodeProposal(bytes);
    assert(proposal !== undefined, 'what was committed is a proposal of a known version');
    const id = proposalIdOf(proposal);
    const known = this.#verdicts.get(id);
    if (known !== undefined) return { kind: 'copy', id, verdict: known };
    const { generation, epoch } = this.#cluster;
    const { madeAt } = proposal;
    if (madeAt.generation !== generation || madeAt.epoch < this.#forgottenAt) {
      return { kind: 'late', id, verdict: { kind: 'late' } };
    }
    const command = decodeCommand(proposal.command);
    assert(command !== undefined, 'what was committed is a command of a known version');
    const { state, refusal } = fold(this.#cluster, command);
    assert(state.epoch === epoch + 1 && state.generation === generation, 'G3: one epoch a command');
    this.#cluster = state;
    const verdict: Verdict = { kind: 'folded', epoch: state.epoch, refusal };
    this.#remember(id, verdict);
    return { kind: 'new', id, verdict, command: proposal.command };
  }

  encode(): Buffer {
    const writer = new FieldWriter();
    writer.number(version);
    writer.bytes(encodeState(this.#cluster));
    writer.number(this.#forgottenAt);
    writer.list([...this.#verdicts], ([id, verdict]) => {
      writer.text(id);
      writeVerdict(writer, verdict);
    });
    return writer.finish();
  }

  /** Undefined if the bytes are no agreed state of a version that this code knows. */
  static decode(bytes: Uint8Array): AgreedState | undefined {
    const reader = new FieldReader(bytes);
    if (reader.number() !== version) return undefined;
    const cluster = decodeState(reader.bytes());
    const forgottenAt = reader.number();
    const verdicts = reader.list((): [string, Verdict] => [reader.text(), readVerdict(reader)]);
    if (!reader.isWhole || cluster === undefined) return undefined;
    return new AgreedState(cluster, new Map(verdicts), forgottenAt);
  }

  #remember(id: string, verdict: Verdict): void {
    this.#verdicts.set(id, verdict);
    if (this.#verdicts.size <= verdictsMax) return;
    const [oldest, forgotten] = this.#verdicts.entries().next().value!;
    this.#verdicts.delete(oldest);
    if (forgotten.kind === 'folded') this.#forgottenAt = forgotten.epoch;
  }
}
