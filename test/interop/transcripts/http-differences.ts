/**
 * Where an answer of this node differs from the recorded one on purpose, why, and what it is instead. Short,
 * since each entry is something that a program may notice.
 */
import type { HttpExchange } from './http-transcript.ts';

interface Difference {
  readonly why: string;
  readonly status?: number;
  /** In the place of the recorded ones of that name; `''` for one that is not sent. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: anything. */
  readonly body?: string | null | ((recorded: string) => string);
}

const sentence =
  'the recorded node crashed on the request and showed a page with a stack trace; this one says what is wrong';
const noVary = 'a refusal has one form: nothing to vary';
const stackTrace = 'the recorded body ends with a stack trace of that implementation';
const typeProps =
  'no member is the claimant of this cluster; and `write_once` is shown for types as it is for buckets';
const noFolds =
  'folds over hash trees are an interface of that implementation to itself and its tools; ours is `hale aae`';
const text = { 'content-type': 'text/plain', vary: '' };

const differences: Readonly<Record<string, Difference>> = {
  'server: root resource list, json': {
    why: 'lists what is here, each resource once, as its reader (an object of JSON) can tell them apart',
    headers: {
      link:
        '</types>; rel="riak_kv_wm_bucket_type",</buckets>; rel="riak_kv_wm_buckets",' +
        '</buckets>; rel="riak_kv_wm_counter",</types>; rel="riak_kv_wm_crdt",</buckets>; rel="riak_kv_wm_index",' +
        '</buckets>; rel="riak_kv_wm_keylist",</riak>; rel="riak_kv_wm_link_walker",' +
        '</mapred>; rel="riak_kv_wm_mapred",</riak>; rel="riak_kv_wm_object",</ping>; rel="riak_kv_wm_ping",' +
        '</buckets>; rel="riak_kv_wm_props",</stats>; rel="riak_kv_wm_stats"',
    },
    body: JSON.stringify({
      riak_kv_wm_bucket_type: '/types',
      riak_kv_wm_buckets: '/buckets',
      riak_kv_wm_counter: '/buckets',
      riak_kv_wm_crdt: '/types',
      riak_kv_wm_index: '/buckets',
      riak_kv_wm_keylist: '/buckets',
      riak_kv_wm_link_walker: '/riak',
      riak_kv_wm_mapred: '/mapred',
      riak_kv_wm_object: '/riak',
      riak_kv_wm_ping: '/ping',
      riak_kv_wm_props: '/buckets',
      riak_kv_wm_stats: '/stats',
    }),
  },
  'server: stats: only headers': {
    why: 'HEAD shows the headers of GET (RFC 9110 §9.3.2)',
    headers: { vary: 'Accept, Accept-Encoding' },
  },
  'objects: get rich': {
    why: 'several values of an index keep the order in which they came',
    headers: { 'x-riak-index-name_bin': 'bob, alice' },
  },
  'objects: put invalid vclock': {
    why: sentence,
    status: 400,
    headers: text,
    body: 'The context is not valid base64.',
  },
  'objects: put invalid vclock 2 (base64 garbage)': {
    why: sentence,
    status: 400,
    headers: text,
    body: 'X-Riak-Vclock is not a context that this database issued.',
  },
  'objects: get r=5 > n_val': {
    why: 'a text says that it is one',
    headers: { 'content-type': 'text/plain' },
  },
  'objects: put w=5 > n_val': { why: noVary, headers: { vary: '' } },
  'objects: method patch': {
    why: 'a sentence in the place of a page',
    headers: text,
    body: 'The server does not support the "PATCH" method.',
  },
  'listing: list buckets no param': {
    why: sentence,
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"buckets":[]}',
  },
  'props: put props unknown property': {
    why: 'programs keep properties of their own in a bucket; the recorded node kept some kinds and crashed on others',
    status: 204,
    headers: { 'content-type': 'application/json' },
    body: '',
  },
  'props: get props with unknown property': { why: 'it was kept: the row before', body: null },
  'siblings (allow_mult=true bucket of default type): put returnbody with siblings': {
    why: 'which of the two forms of siblings is sent does depend on Accept',
    headers: { vary: 'Accept, Accept-Encoding' },
  },
  '2i: range max_results pagination': {
    why: 'the keys that nodes generate begin with any letter or digit, so others may be in this range',
    body: null,
  },
  'mapreduce: mapred missing key input': {
    why: stackTrace,
    body: String.raw`{"phase":0,"error":"function_clause","input":"{{error,notfound},{<<\"tb3\">>,<<\"none\">>},undefined}","type":"error","stack":"[]"}`,
  },
  'mapreduce: mapred javascript': {
    why: 'the recorded version no longer had JavaScript; this one has',
    status: 200,
    body: '["k1"]',
  },
  'mapreduce: mapred bad json': {
    why: stackTrace,
    body: 'The POST body was not valid JSON.\nThe error from the parser was:\nUnexpected end of JSON input',
  },
  ...Object.fromEntries(
    ['counters', 'sets', 'maps', 'hlls', 'gsets'].map((type) => [
      `data types (bucket types counters, sets, maps, hlls, gsets with datatype property): type props ${type}`,
      { why: typeProps, body: propsHere },
    ]),
  ),
  'data types (bucket types counters, sets, maps, hlls, gsets with datatype property): set remove absent without context':
    { why: noVary, headers: { vary: '' } },
  'data types (bucket types counters, sets, maps, hlls, gsets with datatype property): get deleted': {
    why: 'says that it was deleted, as a read of any other object does',
    headers: { 'x-riak-deleted': 'true' },
  },
  'misc: aaefold cachedtrees': {
    why: noFolds,
    status: 404,
    headers: { 'content-type': 'text/html', vary: '' },
    body: '{page}',
  },
  'misc: aae bucketlist': {
    why: noFolds,
    status: 404,
    headers: { 'content-type': 'text/html', vary: '' },
    body: '{page}',
  },
  'index: bad continuation': {
    why: sentence,
    status: 400,
    headers: text,
    body: 'Invalid "continuation". It is not one that this database gave for this index',
  },
  'index: timeout=1': { why: noVary, headers: { vary: '' } },
};

/** What is not there yet. Each must differ: what no longer does is to be struck off. */
export const notThereYet: ReadonlySet<string> = new Set([]);

/** They give a millisecond. A node that needs less answers with this, and else as was recorded. */
export const inTimeHere: ReadonlyMap<string, string> = new Map([
  ['index: timeout=1', '{"keys":["k0","k1","k2","k3","k4","k5","k6","k7","k8","k9"]}'],
]);

export const intendedDifferences: readonly string[] = Object.keys(differences);

/** The exchange with the answer that is expected of this node. */
export function expectedHere(exchange: HttpExchange): HttpExchange {
  const difference = differences[exchange.name];
  if (difference === undefined) return exchange;
  const { status = exchange.status } = difference;
  const body =
    typeof difference.body === 'function'
      ? difference.body(exchange.body ?? '')
      : difference.body === undefined
        ? exchange.body
        : difference.body;
  const headers = { ...exchange.headers, ...difference.headers };
  return {
    ...exchange,
    headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== '')),
    ...(status === undefined ? {} : { status }),
    ...(body === undefined ? {} : { body }),
  };
}

const indexRefusal = 'indexes_not_supported';

/** Of the session with the Bitcask backend: why an answer is that of the session with LevelDB, if it is. */
export const indexesEverywhere =
  'the recorded backend had no indexes; here each storage engine has them, so this is answered as with LevelDB';

/**
 * The exchanges of the session with the Bitcask backend that it refused for want of indexes, with the answers that are expected
 * of this node: those of the session with LevelDB. `recorded`: as read from the files.
 */
export function bitcaskIndexAnswers(
  bitcask: readonly HttpExchange[],
  leveldb: readonly HttpExchange[],
): ReadonlyMap<string, HttpExchange> {
  const byName = new Map(leveldb.map((exchange) => [exchange.name, exchange]));
  const isRefused = ({ name, status, body }: HttpExchange): boolean =>
    body?.includes(indexRefusal) === true || (status === 500 && byName.get(name)?.status === 200);
  return new Map(
    bitcask.filter(isRefused).map(({ name }) => [name, expectedHere(byName.get(name)!)] as const),
  );
}

export function reasonOf(name: string): string | undefined {
  return differences[name]?.why;
}

function propsHere(recorded: string): string {
  const { props } = JSON.parse(recorded) as { readonly props: Record<string, unknown> };
  delete props.claimant;
  return JSON.stringify({ props: { ...props, write_once: false } });
}
