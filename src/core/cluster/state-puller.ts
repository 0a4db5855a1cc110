/**
 * Following the log without being a voter: told of a place beyond its own, a node asks whoever named it for what
 * lies between. Commands if the other still has them, else the whole state, piece by piece.
 *
 * A change of a thousand nodes' cluster must not be a stampede to its leader: each node hears of it from another
 * one and asks that one, so the change spreads along the ways of the rumour (docs/internals/cluster-log.md).
 */
import { Buffer } from 'node:buffer';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { decodeState, encodeState, stateDigest } from '../topology/index.ts';
import type { ClusterMessage } from './cluster-message.ts';
import type { FollowedState } from './followed-state.ts';
import { isBeyond, type StatePlace } from './proposal.ts';

type MessageOf<Kind extends ClusterMessage['kind']> = Extract<ClusterMessage, { kind: Kind }>;

/** After so long without an answer another node is asked. */
const answerMsMax = 500;
/** A voter gets entries from the leader; it asks only if that takes longer. */
const voterPatienceMs = 300;
const commandsBytesMax = 128 * 1024;
const partBytesMax = 128 * 1024;
/** A state that is longer than this is none. */
const stateBytesMax = 256 * 1024 * 1024;

export interface StatePullerParts {
  readonly environment: Pick<Environment, 'timers' | 'random' | 'log'>;
  readonly followed: FollowedState;
  readonly send: (to: NodeId, message: ClusterMessage) => void;
  /** Whether entries come by themselves, as to a voter with a leader. */
  readonly isFed: () => boolean;
  /** Others that may know more, in no special order. */
  readonly others: () => readonly NodeId[];
}

interface Pull {
  readonly from: NodeId;
  readonly timer: Timer;
  parts: { readonly of: StatePlace; readonly pieces: Buffer[]; length: number } | undefined;
}

export class StatePuller {
  readonly #parts: StatePullerParts;
  /** The farthest place that anybody has named. */
  #wanted: { readonly place: StatePlace; readonly from: NodeId | undefined } | undefined;
  #pull: Pull | undefined;
  #patience: Timer | undefined;
  /** The digest did not fit: the next answer must be the whole state. */
  #wantsWhole = false;
  #encoded: { readonly of: StatePlace; readonly bytes: Buffer; readonly digest: string } | undefined;

  constructor(parts: StatePullerParts) {
    this.#parts = parts;
  }

  saw(place: StatePlace, from: NodeId | undefined): void {
    if (!isBeyond(place, this.#parts.followed.place)) return;
    const isFarther = this.#wanted === undefined || isBeyond(place, this.#wanted.place);
    if (isFarther) this.#wanted = { place, from };
    if (this.#pull !== undefined || this.#patience !== undefined) return;
    if (this.#parts.isFed()) this.#goOnAfter(voterPatienceMs);
    else this.#begin(from);
  }

  /** Asks somebody whatever they have named: for a node that knows its state to be stale. */
  askAnyone(): void {
    if (this.#pull === undefined) this.#begin(undefined);
  }

  stop(): void {
    this.#pull?.timer.cancel();
    this.#patience?.cancel();
    this.#pull = undefined;
    this.#patience = undefined;
    this.#wanted = undefined;
  }

  /** Answers another node's question with what is here. */
  answer(from: NodeId, { at, part }: MessageOf<'pull'>): void {
    const { followed, send } = this.#parts;
    const { place } = followed;
    const isAhead = isBeyond(place, at);
    if (!isAhead && part === undefined) {
      send(from, { kind: 'commands', at, commands: [], digest: '', last: place });
      return;
    }
    const commands =
      part === undefined && at.generation === place.generation
        ? followed.recent.after(at.epoch, commandsBytesMax)
        : undefined;
    // The digest is of the end, so commands are sent only if they reach it; a rest comes as a state.
    if (commands !== undefined && at.epoch + commands.length === place.epoch) {
      send(from, { kind: 'commands', at, commands, digest: this.#current().digest, last: place });
      return;
    }
    const { of, bytes, digest } = this.#current();
    const isSame = part !== undefined && part.of.epoch === of.epoch && part.of.generation === of.generation;
    const offset = isSame ? part.offset : 0;
    const piece = bytes.subarray(offset, offset + partBytesMax);
    send(from, { kind: 'state-part', of, offset, total: bytes.length, bytes: piece, digest });
  }

  commands(from: NodeId, { at, commands, digest, last }: MessageOf<'commands'>): void {
    const { followed, environment } = this.#parts;
    const before = followed.place;
    const { generation, epoch } = before;
    if (at.generation === generation && at.epoch === epoch && commands.length > 0) {
      if (!followed.foldAll(commands, digest)) {
        environment.log.warn('commands of the cluster log do not fit; asking for the whole state', { from });
        this.#wantsWhole = true;
      }
    }
    if (this.#pull?.from !== from) return;
    this.#end();
    const isFruitless = !isBeyond(followed.place, before) && !isBeyond(last, before);
    if (this.#wantsWhole) this.#begin(from);
    else if (!isFruitless) {
      this.saw(last, from);
      this.#goOn();
    } else if (this.#wanted?.from === from) {
      // It said more than it knows now: it was restarted. Others will name what they know.
      this.#wanted = undefined;
    } else this.#goOnAfter(answerMsMax);
  }

  statePart(from: NodeId, message: MessageOf<'state-part'>): void {
    const pull = this.#pull;
    if (pull?.from !== from || message.total > stateBytesMax) return;
    const isSame =
      pull.parts !== undefined &&
      pull.parts.of.epoch === message.of.epoch &&
      pull.parts.of.generation === message.of.generation;
    if (!isSame) pull.parts = { of: message.of, pieces: [], length: 0 };
    const parts = pull.parts!;
    if (message.offset !== parts.length) return;
    parts.pieces.push(Buffer.from(message.bytes));
    parts.length += message.bytes.length;
    if (parts.length < message.total && message.bytes.length > 0) {
      this.#ask(from, parts);
      return;
    }
    this.#end();
    if (this.#take(Buffer.concat(parts.pieces), message.digest, from)) this.#goOn();
    // Asked again at once it would give the same.
    else this.#goOnAfter(answerMsMax);
  }

  /** False: it is no state that this node can read. */
  #take(bytes: Buffer, digest: string, from: NodeId): boolean {
    const { followed, environment } = this.#parts;
    const state = decodeState(bytes);
    if (state === undefined || stateDigest(state) !== digest) {
      environment.log.warn('a state of the cluster could not be read', { from });
      return false;
    }
    this.#wantsWhole = false;
    followed.adopt(state);
    return true;
  }

  #goOnAfter(delayMs: number): void {
    this.#patience?.cancel();
    this.#patience = this.#parts.environment.timers.after(delayMs, () => {
      this.#patience = undefined;
      this.#goOn();
    });
  }

  /** Asks again while there is more than is here. */
  #goOn(): void {
    const wanted = this.#wanted;
    if (this.#pull !== undefined || wanted === undefined) return;
    if (isBeyond(wanted.place, this.#parts.followed.place)) this.#begin(wanted.from);
    else this.#wanted = undefined;
  }

  #begin(from: NodeId | undefined): void {
    const to = from ?? this.#anyone();
    if (to === undefined) return;
    this.#ask(to, undefined);
  }

  #ask(from: NodeId, parts: Pull['parts']): void {
    const { environment, followed, send } = this.#parts;
    this.#pull?.timer.cancel();
    const timer = environment.timers.after(answerMsMax, () => this.#missed());
    this.#pull = { from, timer, parts };
    const zero = { generation: 0, epoch: 0 };
    const at = this.#wantsWhole ? zero : followed.place;
    const part = parts && { of: parts.of, offset: parts.length };
    send(from, { kind: 'pull', at, part });
  }

  /** No answer: the next one is asked, whoever that is. */
  #missed(): void {
    this.#pull = undefined;
    if (this.#wanted === undefined || !isBeyond(this.#wanted.place, this.#parts.followed.place)) return;
    this.#begin(this.#anyone());
  }

  #end(): void {
    this.#pull?.timer.cancel();
    this.#pull = undefined;
  }

  #anyone(): NodeId | undefined {
    const others = this.#parts.others();
    if (others.length === 0) return undefined;
    return others[this.#parts.environment.random.u32() % others.length];
  }

  #current(): { readonly of: StatePlace; readonly bytes: Buffer; readonly digest: string } {
    const { followed } = this.#parts;
    const { place } = followed;
    const known = this.#encoded;
    if (known?.of.epoch === place.epoch && known.of.generation === place.generation) return known;
    const bytes = encodeState(followed.state);
    this.#encoded = { of: place, bytes, digest: stateDigest(followed.state) };
    return this.#encoded;
  }
}
