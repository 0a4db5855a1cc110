/** The change feeds of a node: what answers for its own partitions, what follows those of others, what trims. */

import type { Partition } from '../../core/ring/index.ts';
import { noPeers, type PeerTransport } from '../../core/vnode/index.ts';
import type { Environment } from '../../environment/index.ts';
import type { GroupCommit } from '../../storage/index.ts';
import type { CoordinatorParts } from '../coordinator/index.ts';
import type { RequestDoor } from '../request-door.ts';
import { AnswerFeed } from './answer-feed.ts';
import { type ChangeFeedSettings, ChangeFeeds, defaultFeedSettings } from './change-feeds.ts';
import type { FeedEntries } from './feed-entries.ts';
import type { FeedReply, FeedRequest } from './feed-protocol.ts';
import type { FeedSignals } from './feed-signals.ts';
import { FeedTrim } from './trim-feeds.ts';

export interface OpenFeedsParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly commit: GroupCommit;
  readonly coordinator: CoordinatorParts;
  readonly door: RequestDoor;
  readonly entries: FeedEntries;
  readonly signals: FeedSignals;
  readonly feedPeers?: PeerTransport<FeedRequest, FeedReply>;
  readonly feedSettings?: ChangeFeedSettings;
  /** False: the partition is being dropped. */
  readonly serves?: (partition: Partition) => boolean;
}

/** Begins to trim. */
export function openChangeFeeds(parts: OpenFeedsParts): ChangeFeeds {
  const { environment, commit, coordinator, door, entries, signals, serves } = parts;
  const { topology } = coordinator;
  const ownership = {
    get epoch() {
      return topology.ring.epoch;
    },
    serves: (partition: Partition) =>
      topology.ring.ownerOf(partition) === topology.self && serves?.(partition) !== false,
  };
  const settings = parts.feedSettings ?? defaultFeedSettings;
  const trim = new FeedTrim({
    environment,
    commit,
    topology,
    entries,
    settings: { deletionsMs: settings.deletionsMs, intervalMs: settings.trimIntervalMs },
  });
  trim.start();
  const { tasks, timers } = environment;
  return new ChangeFeeds({
    coordinator,
    door,
    answers: new AnswerFeed({ commit, entries, signals, ownership, tasks }),
    peers: parts.feedPeers ?? noPeers,
    signals,
    timers,
    settings,
    trim,
  });
}
