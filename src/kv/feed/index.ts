export type { FeedBatch } from './change-feed.ts';
export {
  type ChangeFeedSettings,
  ChangeFeeds,
  defaultFeedSettings,
  type FeedReader,
  type FeedStatistics,
  type FeedSubscription,
} from './change-feeds.ts';
export { type AppendedEntry, FeedEntries } from './feed-entries.ts';
export { type FeedReply, type FeedRequest, feedCodec } from './feed-protocol.ts';
export { FeedSignals } from './feed-signals.ts';
export { openChangeFeeds } from './open-change-feeds.ts';
export type { FeedEvent } from './told-changes.ts';
