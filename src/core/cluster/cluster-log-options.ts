import type { Configuration } from '../../config/index.ts';
import { defaultOptions, type ReplicaOptions } from '../../consensus/index.ts';
import { defaultLeaderOptions, type LeaderOptions } from './leader-duties.ts';
import { compactedLogBytesMax } from './log-journal.ts';

/** Every bound of the cluster log that a person may want to change. */
export interface ClusterLogOptions {
  readonly replica: ReplicaOptions;
  readonly leader: LeaderOptions;
}

/** Behind a snapshot so many entries are kept, for followers that are a little late: this share of the entries. */
const trailingShare = 1 / 5;
/** Two may be lost (an election begins between one and two timeouts), and most of what idle nodes say to one another are these. */
const heartbeatsPerTimeout = 3;

export const defaultClusterLogOptions: ClusterLogOptions = {
  replica: {
    ...defaultOptions,
    snapshotLogEntries: 1000,
    trailingEntriesMax: 200,
    logBytesMax: compactedLogBytesMax,
  },
  leader: defaultLeaderOptions,
};

export function clusterLogOptions(configuration: Configuration): ClusterLogOptions {
  const snapshotLogEntries = configuration['cluster.log.snapshot_entries'];
  const electionTimeoutMs = configuration['cluster.election_timeout'];
  return {
    replica: {
      ...defaultClusterLogOptions.replica,
      snapshotLogEntries,
      trailingEntriesMax: Math.floor(snapshotLogEntries * trailingShare),
      electionTimeoutMs,
      heartbeatMs: electionTimeoutMs / heartbeatsPerTimeout,
    },
    leader: {
      ...defaultClusterLogOptions.leader,
      voterAwayMsMax: configuration['cluster.voter_patience'],
      ghostAwayMsMax: configuration['cluster.newcomer_patience'],
    },
  };
}
