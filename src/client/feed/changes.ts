/**
 * The changes of a bucket as an application follows them: one after another, from node to node, from cursor to cursor.
 *
 * A feed that breaks is begun again where it was, at a node that answers; so an event may come twice. The iterator ends
 * only by `break`, by its signal, or by an error that trying again does not mend.
 */
import { type ByteString, textOfBytes } from '../../stdx/index.ts';
import type { CallOptions } from '../call-options.ts';
import { type Context, contextOfBytes } from '../context.ts';
import { HaleError, isHaleError } from '../hale-error.ts';
import { retryDelayMs } from '../retry-delay.ts';
import type { Cursor, FeedEvent, FeedPage, FeedQuery, StoredObject } from '../transport.ts';

declare const feedCursor: unique symbol;
/** Where a feed is, as text that may be stored: everything before it was handed out. */
export type FeedCursor = string & { readonly [feedCursor]: true };

export interface ChangesOptions extends Pick<CallOptions, 'signal'> {
  /**
   * `now`: what is changed from the first `next` on. `start`: every key that the feed has, then what comes. A cursor:
   * what came after it.
   */
  readonly since?: 'now' | 'start' | FeedCursor;
  /** Only keys that begin so. */
  readonly prefix?: string;
}

export type Change<T> =
  | {
      readonly kind: 'changed';
      readonly key: string;
      /** When a replica stored it, by its clock. */
      readonly time: Date;
      readonly context: Context;
      /** Begin here, and nothing after this event is missed. */
      readonly cursor: FeedCursor;
      /** As the bucket's `get` would give it. Rejects as that would. */
      value(): Promise<T>;
    }
  | {
      readonly kind: 'deleted';
      readonly key: string;
      readonly time: Date;
      readonly cursor: FeedCursor;
    }
  /** A part of the feed was lost: its keys come again, and a deletion may have been missed. */
  | { readonly kind: 'gap'; readonly cursor: FeedCursor };

export interface ChangeSource<T> {
  open(query: Pick<FeedQuery, 'only' | 'since'>): Cursor<FeedPage>;
  /** Undefined: nothing live is stored. */
  resolve(key: string, stored: StoredObject): Promise<T | undefined>;
  readonly random: { fraction(): number };
  /** Rejects with `aborted` if the signal fires first. */
  pause(delayMs: number): Promise<void>;
}

const againDelay = { firstMs: 50, maxMs: 5000 };

export function feedCursorOf(text: string): FeedCursor {
  if (!/^[\w-]+$/.test(text))
    throw new HaleError('invalid_argument', 'this text is not the cursor of a feed');
  return text as FeedCursor;
}

export async function* changesOf<T>(
  source: ChangeSource<T>,
  only: FeedQuery['only'],
  since: 'now' | 'start' | FeedCursor,
): AsyncGenerator<Change<T>, void, undefined> {
  let at = sinceOf(since);
  let failures = 0;
  for (;;) {
    const pages = source.open({ since: at, ...(only === undefined ? {} : { only }) });
    try {
      for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
        failures = 0;
        for (const [index, event] of page.events.entries()) {
          const isLast = index === page.events.length - 1;
          const cursor = (isLast ? page.cursor : undefined) ?? cursorOf(at);
          yield changeOf(source, event, cursor);
        }
        if (page.cursor !== undefined) at = { cursor: page.cursor };
      }
    } catch (error) {
      if (!mayPass(error)) throw error;
    } finally {
      await pages.close();
    }
    failures += 1;
    await source.pause(retryDelayMs(failures, againDelay, source.random));
  }
}

function sinceOf(since: string): FeedQuery['since'] {
  return since === 'now' || since === 'start' ? since : { cursor: feedCursorOf(since) };
}

/** The first page tells a cursor before any event: what has none is the beginning of a feed. */
function cursorOf(since: FeedQuery['since']): string {
  return typeof since === 'object' ? since.cursor : '';
}

function changeOf<T>(source: ChangeSource<T>, event: FeedEvent, at: string): Change<T> {
  const cursor = at as FeedCursor;
  if (event.kind === 'gap') return { kind: 'gap', cursor };
  const key = textOfBytes(event.key);
  const time = new Date(event.micros / 1000);
  const { object } = event;
  if (event.kind === 'deleted' || object === undefined) return { kind: 'deleted', key, time, cursor };
  return {
    kind: 'changed',
    key,
    time,
    cursor,
    context: contextOfBytes(object.context),
    value: async () => {
      const value = await source.resolve(key, object);
      if (value === undefined) throw new HaleError('protocol', `"${key}" was changed and holds nothing`);
      return value;
    },
  };
}

function mayPass(error: unknown): boolean {
  return (
    isHaleError(error, 'connection_lost') ||
    isHaleError(error, 'unavailable') ||
    isHaleError(error, 'timeout') ||
    isHaleError(error, 'overload')
  );
}

export function onlyPrefix(prefix: ByteString | undefined): FeedQuery['only'] {
  return prefix === undefined || prefix.length === 0 ? undefined : { kind: 'prefix', name: prefix };
}
