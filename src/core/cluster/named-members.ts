/**
 * Which other nodes the journal of a node names as members, whether or not its records add up. Where one is damaged, the
 * state that the sound ones lead to may be that of a cluster of one, though others have been admitted since.
 */
import type { Entry, LogIndex, Membership } from '../../consensus/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { type ClusterCommand, decodeCommand } from '../topology/index.ts';
import { decodeProposal } from './proposal.ts';
import { nodeOfReplica } from './replica-name.ts';

export class NamedMembers {
  readonly #named = new Set<NodeId>();
  /** By the membership of the voters that was written last. */
  #ofGroup: readonly NodeId[] = [];

  /** Whether anybody but `self` is, or may be, a member. */
  hasOthers(self: NodeId): boolean {
    return [...this.#named, ...this.#ofGroup].some((node) => node !== self);
  }

  command(bytes: Uint8Array): void {
    const command = decodeCommand(bytes);
    if (command !== undefined) this.#add(command);
  }

  /** `isFolded`: whether the known state surely has what the entry did: who was admitted then may be gone by now. */
  entries(entries: readonly Entry[], isFolded: (index: LogIndex) => boolean): void {
    for (const entry of entries) {
      if (entry.kind === 'membership') this.group(entry.membership);
      else if (entry.kind === 'command' && !isFolded(entry.index)) {
        const proposal = decodeProposal(entry.bytes);
        if (proposal !== undefined) this.command(proposal.command);
      }
    }
  }

  group({ voters, outgoing, learners }: Membership): void {
    this.#ofGroup = [...voters, ...outgoing, ...learners].map(nodeOfReplica);
  }

  #add(command: ClusterCommand): void {
    switch (command.kind) {
      case 'admit':
      case 'announce':
        this.#named.add(command.member.node);
        break;
      case 'commit':
        for (const node of command.owners) this.#named.add(node);
        break;
      case 'expel':
        this.#named.delete(command.node);
        break;
      default:
    }
  }
}
