/** A change feed of an application in the node's own process. */
import { Buffer } from 'node:buffer';
import type { Cursor, FeedEvent, FeedPage, FeedQuery } from '../../client/index.ts';
import type { ChangeFeeds, FeedReader, FeedEvent as StoredEvent } from '../../kv/index.ts';

/** Rejects with `KvFailure`. */
export class EmbeddedFeedCursor implements Cursor<FeedPage> {
  readonly #reader: FeedReader;
  readonly #heartbeatMs: number;
  #hasBegun = false;

  constructor(feeds: Pick<ChangeFeeds, 'open'>, query: FeedQuery, heartbeatMs: number) {
    this.#reader = feeds.open(query);
    this.#heartbeatMs = heartbeatMs;
  }

  async next(): Promise<FeedPage | undefined> {
    // At once, so that there is a cursor before there are events.
    const batch = await this.#reader.next(this.#hasBegun ? this.#heartbeatMs : 0);
    this.#hasBegun = true;
    return batch && { events: batch.events.map(eventOf), cursor: batch.cursor };
  }

  close(): Promise<void> {
    this.#reader.close();
    return Promise.resolve();
  }
}

/** Values are copied: an application may keep or change what it reads. */
function eventOf(event: StoredEvent): FeedEvent {
  if (event.kind === 'gap') return event;
  const { key, object, micros } = event;
  const siblings = object?.contents().map((content) => ({ ...content, value: Buffer.from(content.value) }));
  return {
    kind: object === undefined || object.isTombstone ? 'deleted' : 'changed',
    key,
    micros,
    object: object && { siblings: siblings ?? [], context: object.context },
  };
}
