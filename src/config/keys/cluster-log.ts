import { defineKey } from '../key-definition.ts';
import { duration, integer } from '../value-type.ts';

export const clusterLogKeys = {
  'cluster.voter_patience': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 30_000,
    doc: 'A voter on the cluster log that cannot be reached for so long gives up its vote to another member, if there is one.',
    extremes: [2000],
  }),
  'cluster.newcomer_patience': defineKey({
    type: duration({ minimum: 1000, maximum: 31_536_000_000 }),
    default: 600_000,
    doc: 'A node that was let into the cluster, never came, cannot be reached for so long and is not part of a staged change is struck off, by who leads since it was let in.',
  }),
  'cluster.election_timeout': defineKey({
    type: duration({ minimum: 200, maximum: 600_000 }),
    default: 1000,
    doc: 'Voters look for another leader when theirs was silent for one to two of these; it says so three times as often. Alike at all nodes.',
    extremes: [300, 5000],
  }),
  'cluster.log.snapshot_entries': defineKey({
    type: integer({ minimum: 16, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Entries of the cluster log that a voter keeps before it replaces most of them by the state that they lead to.',
    extremes: [16],
  }),
} as const;
