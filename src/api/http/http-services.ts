import type { Clock, HttpExchange, HttpHandler, Random, Tasks } from '../../environment/index.ts';
import type {
  ChangeFeeds,
  Datatypes,
  IndexQuerying,
  KeyValueStore,
  LargeValues,
  MapReduce,
  Preflists,
} from '../../kv/index.ts';
import type { QueryParameters } from './query-parameters.ts';
import type { RequestHeaders } from './request-headers.ts';

export interface HttpLimits {
  /** A request body; the largest object and some slack. */
  readonly bodyBytesMax: number;
}

/** What the HTTP API needs of the node. */
export interface HttpServices {
  readonly store: KeyValueStore;
  /** Absent: there is no such resource. */
  readonly preflists?: Preflists;
  /** Absent: secondary indexes cannot be asked. */
  readonly indexes?: IndexQuerying;
  /** Absent: there are no such resources. */
  readonly datatypes?: Datatypes;
  /** Absent: there are no change feeds. */
  readonly feeds?: Pick<ChangeFeeds, 'open'>;
  /** Absent: values are as large as objects may be, and are gathered whole. */
  readonly largeValues?: LargeValues;
  /** Absent: jobs are refused. */
  readonly mapReduce?: MapReduce | undefined;
  readonly clock: Pick<Clock, 'now' | 'wallMicros'>;
  /** The node's statistics by their Riak names, for `/stats`. */
  readonly stats: () => Record<string, unknown>;
  /** Answers what lies under `/admin`. Called for peers on a loopback address only. */
  readonly admin?: HttpHandler;
  readonly random: Random;
  readonly tasks: Tasks;
  readonly limits: HttpLimits;
}

/** A request whose head has been read, as the resources get it. */
export interface HttpRequest<R> {
  readonly exchange: HttpExchange;
  readonly services: HttpServices;
  readonly route: R;
  readonly query: QueryParameters;
  readonly headers: RequestHeaders;
}
