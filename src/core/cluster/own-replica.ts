/**
 * This node's part in the consensus group, if it has one: what it has agreed to, under which name, and how it
 * begins and ends.
 */
import { Buffer } from 'node:buffer';
import { emptySnapshot, joiningState, type PeerId, type ReplicaStatus } from '../../consensus/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { decodeCommand } from '../topology/index.ts';
import { AgreedState } from './agreed-state.ts';
import type { ProposalAnswer } from './cluster-message.ts';
import { type ConsensusFrame, decodeConsensusFrame } from './consensus-frame.ts';
import type { FollowedState } from './followed-state.ts';
import type { LogJournal } from './log-journal.ts';
import { decodeProposal, proposalIdOf, type StatePlace } from './proposal.ts';
import { RaftHost, type RaftHostParts } from './raft-host.ts';
import { drawReplicaName, nodeOfReplica } from './replica-name.ts';

export interface OwnReplicaParts {
  readonly environment: RaftHostParts['environment'];
  readonly self: NodeId;
  readonly journal: LogJournal;
  readonly followed: FollowedState;
  readonly options: RaftHostParts['options'];
  readonly send: (to: NodeId, frame: ConsensusFrame) => void;
  readonly changed: () => void;
  /** The name under which this node can become a voter is another now: the leader must hear of it. */
  readonly renamed: () => void;
  /** A frame spoke of a place beyond this node's, or came from a generation that is over. */
  readonly saw: (place: StatePlace, from: NodeId) => void;
  readonly isOutdated: (from: NodeId) => void;
  /** A frame went to a name that this node does not have any more: its sender has not heard of the new one. */
  readonly isMisnamed: (from: NodeId) => void;
  readonly journalFailed: (error: Error) => void;
}

const handOverMsMax = 500;
const handOverLookMs = 10;

export class OwnReplica {
  readonly host: RaftHost;
  readonly #parts: OwnReplicaParts;
  /** Undefined while no replica runs, and before one that joins has its first snapshot. */
  #agreed: AgreedState | undefined;
  #name: PeerId;

  constructor(parts: OwnReplicaParts) {
    this.#parts = parts;
    const { environment, journal, options, self, followed } = parts;
    this.#name = journal.contents.replica?.stored.name ?? drawReplicaName(self, environment.random);
    this.host = new RaftHost({
      environment,
      journal,
      options,
      state: {
        fold: (bytes) => {
          assert(this.#agreed !== undefined, 'a snapshot comes before what follows it');
          const folded = this.#agreed.fold(bytes);
          if (folded.kind === 'new') followed.folded(this.#agreed.cluster, folded.command);
          return folded.verdict;
        },
        encode: () => this.#agreed!.encode(),
        restore: (encoded) => {
          const agreed = AgreedState.decode(encoded);
          assert(agreed !== undefined, 'a snapshot is whole, and of a known version');
          this.#agreed = agreed;
          followed.adopt(agreed.cluster);
        },
      },
      send: (from, to, message) => {
        const { generation } = journal.contents.replica!.stored;
        parts.send(nodeOfReplica(to), { generation, from, to, message });
      },
      changed: () => parts.changed(),
      removed: () => this.end(),
      journalFailed: parts.journalFailed,
    });
  }

  /** Under which this node is, or would become, a voter. */
  get name(): PeerId {
    return this.#name;
  }

  get status(): ReplicaStatus | undefined {
    return this.host.status;
  }

  get leads(): boolean {
    return this.host.isLeader;
  }

  /** Who leads, by the replica's own knowledge. */
  get leader(): NodeId | undefined {
    const leader = this.host.standing?.leader;
    return leader === undefined ? undefined : nodeOfReplica(leader);
  }

  /** Whether entries come by themselves. */
  get isFed(): boolean {
    return this.host.standing?.leader !== undefined && this.#agreed !== undefined;
  }

  /** Runs the replica of the journal, if there is one. */
  begin(): void {
    const { replica } = this.#parts.journal.contents;
    if (replica !== undefined && !this.host.isRunning) this.host.begin(replica);
  }

  /** The journal holds another replica now, or none. */
  replaced(): void {
    const { journal, self, environment } = this.#parts;
    this.#agreed = undefined;
    this.#name = journal.contents.replica?.stored.name ?? drawReplicaName(self, environment.random);
    this.begin();
  }

  /** The group goes on without this replica. To vote again this node begins anew, under another name. */
  end(): void {
    const { journal, self, environment, journalFailed, renamed } = this.#parts;
    this.host.stop();
    this.#agreed = undefined;
    this.#name = drawReplicaName(self, environment.random);
    journal.write([{ kind: 'no-replica' }], (error) => {
      if (error !== undefined) journalFailed(error);
    });
    renamed();
  }

  receive(from: NodeId, body: Buffer, mayBegin: boolean): void {
    const frame = decodeConsensusFrame(body);
    if (frame === undefined || nodeOfReplica(frame.from) !== from) return;
    const { followed, saw, isOutdated, isMisnamed } = this.#parts;
    const { generation } = followed.state;
    if (frame.generation > generation) saw({ generation: frame.generation, epoch: 0 }, from);
    else if (frame.generation < generation) isOutdated(from);
    if (frame.generation !== generation) return;
    if (frame.to !== this.#name) {
      isMisnamed(from);
      return;
    }
    if (!this.host.isRunning && mayBegin) this.#beginJoining(generation);
    this.host.receive(frame.from, frame.message);
  }

  /** As leader. What was folded already is not proposed again. */
  judge(bytes: Buffer, answered: (answer: ProposalAnswer) => void): void {
    const proposal = decodeProposal(bytes);
    const known = proposal && this.#agreed?.verdictOn(proposalIdOf(proposal));
    if (known !== undefined) answered({ kind: 'judged', verdict: known });
    // What this leader cannot read must not enter the log: others would have to fold it.
    else if (proposal === undefined || decodeCommand(proposal.command) === undefined) {
      answered({ kind: 'elsewhere' });
    } else this.host.propose(bytes, answered);
  }

  /** Before the end: a leader that goes without a word costs the others an election timeout. */
  async handOver({ timers }: Pick<Environment, 'timers'>): Promise<void> {
    const { status } = this.host;
    if (!this.host.isLeader || status === undefined) return;
    const heirs = status.followers.filter(
      ({ id, mode }) => status.membership.voters.includes(id) && mode === 'replicate',
    );
    const heir = heirs.sort((a, b) => b.match - a.match)[0];
    if (heir === undefined) return;
    this.host.transferLeadership(heir.id);
    for (let waitedMs = 0; this.host.isLeader && waitedMs < handOverMsMax; waitedMs += handOverLookMs) {
      await new Promise<void>((resolve) => {
        timers.after(handOverLookMs, resolve);
      });
    }
  }

  /** The leader wants this node as a learner, and knows by which name. */
  #beginJoining(generation: number): void {
    const { journal, journalFailed } = this.#parts;
    const { hardState } = joiningState();
    const agreed = Buffer.alloc(0);
    journal.write(
      [
        { kind: 'replica', replica: { name: this.#name, generation, mark: emptySnapshot, agreed } },
        { kind: 'log', write: { hardState, entries: [] } },
      ],
      (error) => {
        if (error !== undefined) journalFailed(error);
      },
    );
    // If the journal took nothing there is no replica to run: the leader will ask again.
    if (journal.contents.replica?.stored.name === this.#name) this.begin();
  }
}
