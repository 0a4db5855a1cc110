/** Every frame of the Protocol Buffers API, by code. Riak TS's codes (90 to 104) are not among them. */
import type { FrameType } from './message-type.ts';
import * as aaeFolds from './messages/aae-folds.ts';
import * as buckets from './messages/buckets.ts';
import * as changeFeed from './messages/change-feed.ts';
import * as connection from './messages/connection.ts';
import * as counts from './messages/counts.ts';
import * as dataTypes from './messages/data-types.ts';
import * as objects from './messages/objects.ts';
import * as queries from './messages/queries.ts';
import * as replication from './messages/replication.ts';
import * as search from './messages/search.ts';
import * as valueStreams from './messages/value-streams.ts';

const modules = [
  connection,
  objects,
  buckets,
  queries,
  dataTypes,
  search,
  replication,
  aaeFolds,
  changeFeed,
  valueStreams,
  counts,
];

/** Ascending by code. */
export const messageCatalogue: readonly FrameType<unknown>[] = modules
  .flatMap((module): readonly object[] => Object.values(module))
  .filter((type): type is FrameType<unknown> => 'fields' in type && 'code' in type)
  .sort((a, b) => a.code - b.code);

const byCode: ReadonlyMap<number, FrameType<unknown>> = new Map(
  messageCatalogue.map((type) => [type.code, type]),
);

export function messageOfCode(code: number): FrameType<unknown> | undefined {
  return byCode.get(code);
}
