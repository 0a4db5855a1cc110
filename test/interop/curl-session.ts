/**
 * A session of curl as observed from a Riak 3.4 node: status line, every header and every body of each
 * answer. Where that node crashed on a bad request (500) the row says what ours answers; its reason phrase
 * `Object Not Found` and the HTML around its error pages are not imitated.
 */

/** A pattern must match as a whole. */
export type Expected = string | RegExp;

export interface CurlExchange {
  readonly name: string;
  /** Method, path, and header lines. `{name.header}` stands for a header of an earlier answer. */
  readonly ask: readonly string[];
  readonly send?: string;
  readonly status: string;
  /** All headers but those of the connection and the length. */
  readonly headers: Readonly<Record<string, Expected>>;
  readonly body: Expected;
  /** Later rows may use this answer's headers under this name. */
  readonly as?: string;
}

const vclock = /[A-Za-z0-9+/]+={0,2}/;
const etag = /"[0-9A-Za-z]{20,22}"/;
const lastModified = /\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/;
const vtag = '[0-9A-Za-z]{20,22}';

const plain = { 'content-type': 'text/plain' };
const page = { 'content-type': 'text/html' };
const json = { 'content-type': 'application/json' };
const encodable = { vary: 'Accept-Encoding' };
const written = { ...plain, ...encodable };
const bucketLink = (bucket: string) => ({ link: `</buckets/${bucket}>; rel="up"` });
const value = { 'x-riak-vclock': vclock, etag, 'last-modified': lastModified, ...encodable };
const siblings = {
  'x-riak-vclock': vclock,
  etag,
  'last-modified': lastModified,
  vary: 'Accept, Accept-Encoding',
};
const multipart = { 'content-type': /multipart\/mixed; boundary=[0-9A-Za-z]{20,28}/ };

const ok = 'HTTP/1.1 200 OK';
const created = 'HTTP/1.1 201 Created';
const noContent = 'HTTP/1.1 204 No Content';
const multipleChoices = 'HTTP/1.1 300 Multiple Choices';
const notModified = 'HTTP/1.1 304 Not Modified';
const badRequest = 'HTTP/1.1 400 Bad Request';
const notFound = 'HTTP/1.1 404 Not Found';
const notAllowed = 'HTTP/1.1 405 Method Not Allowed';
const notAcceptable = 'HTTP/1.1 406 Not Acceptable';
const conflict = 'HTTP/1.1 409 Conflict';
const preconditionFailed = 'HTTP/1.1 412 Precondition Failed';
const unsupported = 'HTTP/1.1 415 Unsupported Media Type';

const anyPage = /<html>.*<\/html>\s*/;
const asText = 'Content-Type: text/plain';
const asJson = 'Content-Type: application/json';
const quorumWords =
  "query parameter must be an integer or one of the following words: 'one', 'quorum' or 'all'\n";
const tooMany = 'Specified w/dw/pw/node_confirms values invalid for bucket n value of 3\n';

/** A part of a sibling listing. */
function part(bucket: string, type: string, more: string, text: string): string {
  return (
    `--B\r\nContent-Type: ${type}\r\nLink: </buckets/${bucket}>; rel="up"\r\nEtag: V\r\n` +
    `Last-Modified: D\r\n${more}\r\n${text}\r\n`
  );
}

/** In order: later ones see what earlier ones wrote. */
export const curlSession: readonly CurlExchange[] = [
  { name: 'ping', ask: ['GET', '/ping'], status: ok, headers: page, body: 'OK' },
  { name: 'ping, head', ask: ['HEAD', '/ping'], status: ok, headers: page, body: '' },
  {
    name: 'ping, post',
    ask: ['POST', '/ping'],
    status: notAllowed,
    headers: { ...page, allow: 'GET, HEAD' },
    body: anyPage,
  },
  { name: 'unknown path', ask: ['GET', '/nosuch'], status: notFound, headers: page, body: anyPage },
  {
    name: 'stats, not acceptable',
    ask: ['GET', '/stats', 'Accept: image/png'],
    status: notAcceptable,
    headers: page,
    body: anyPage,
  },
  {
    name: 'missing',
    ask: ['GET', '/buckets/tb/keys/none'],
    status: notFound,
    headers: plain,
    body: 'not found\n',
  },
  {
    name: 'missing, head',
    ask: ['HEAD', '/buckets/tb/keys/none'],
    status: notFound,
    headers: plain,
    body: '',
  },
  {
    name: 'missing, no majority says so',
    ask: ['GET', '/buckets/tb/keys/none?notfound_ok=false&basic_quorum=true'],
    status: notFound,
    headers: plain,
    body: 'not found\n',
  },
  {
    name: 'put',
    ask: ['PUT', '/buckets/tb/keys/k1', asText],
    send: 'hello',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'get',
    ask: ['GET', '/buckets/tb/keys/k1'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'hello',
    as: 'k1',
  },
  {
    name: 'head',
    ask: ['HEAD', '/buckets/tb/keys/k1'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: '',
  },
  {
    name: 'get, old style',
    ask: ['GET', '/riak/tb/k1'],
    status: ok,
    headers: { ...value, ...plain, link: '</riak/tb>; rel="up"' },
    body: 'hello',
  },
  {
    name: 'get, typed style',
    ask: ['GET', '/types/default/buckets/tb/keys/k1'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'hello',
  },
  {
    name: 'put, the content type of curl',
    ask: ['PUT', '/buckets/tb/keys/form'],
    send: 'hello',
    status: noContent,
    headers: { ...encodable, 'content-type': 'application/x-www-form-urlencoded' },
    body: '',
  },
  {
    name: 'put, no content type',
    ask: ['PUT', '/buckets/tb/keys/none', 'Content-Type:'],
    send: 'hello',
    status: badRequest,
    headers: plain,
    body: 'Missing Content-Type request header',
  },
  {
    name: 'put, return body',
    ask: ['PUT', '/buckets/tb/keys/k2?returnbody=true', asJson],
    send: '{"a":1}',
    status: ok,
    headers: { ...value, ...json, ...bucketLink('tb') },
    body: '{"a":1}',
  },
  {
    name: 'put, empty',
    ask: ['PUT', '/buckets/tb/keys/k3', asText],
    send: '',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'get, empty',
    ask: ['GET', '/buckets/tb/keys/k3'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: '',
  },
  {
    name: 'post, the node makes the key',
    ask: ['POST', '/buckets/tb/keys', asText],
    send: 'auto',
    status: created,
    headers: { ...written, location: /\/buckets\/tb\/keys\/[0-9A-Za-z]{20,30}/ },
    body: '',
    as: 'made',
  },
  {
    name: 'get, at the location',
    ask: ['GET', '{made.location}'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'auto',
  },
  {
    name: 'post, at a key',
    ask: ['POST', '/buckets/tb/keys/k1', asText],
    send: 'posted',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'put, metadata, indexes and a link',
    ask: [
      'PUT',
      '/buckets/tb/keys/rich',
      'Content-Type: text/plain; charset=utf-8',
      'X-Riak-Meta-Colour: Red',
      'x-riak-index-age_int: 42',
      'x-riak-index-name_bin: alice, bob',
      'Link: </buckets/tb/keys/k1>; riaktag="friend"',
    ],
    send: 'rich',
    status: noContent,
    headers: { ...encodable, 'content-type': 'text/plain; charset=utf-8' },
    body: '',
  },
  {
    name: 'get, metadata, indexes and a link',
    ask: ['GET', '/buckets/tb/keys/rich'],
    status: ok,
    headers: {
      ...value,
      'content-type': 'text/plain; charset=utf-8',
      'x-riak-meta-colour': 'Red',
      'x-riak-index-age_int': '42',
      'x-riak-index-name_bin': 'alice, bob',
      link: '</buckets/tb/keys/k1>; riaktag="friend", </buckets/tb>; rel="up"',
    },
    body: 'rich',
  },
  ...['application/json', 'multipart/mixed'].map((type) => ({
    name: `get, one value of another type than ${type}`,
    ask: ['GET', '/buckets/tb/keys/rich', `Accept: ${type}`],
    status: notAcceptable,
    headers: page,
    body: anyPage,
  })),
  {
    name: 'get, for its tag',
    ask: ['GET', '/buckets/tb/keys/k1'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'posted',
    as: 'posted',
  },
  {
    name: 'get, if another tag, same tag',
    ask: ['GET', '/buckets/tb/keys/k1', 'If-None-Match: {posted.etag}'],
    status: notModified,
    headers: { etag, ...encodable },
    body: '',
  },
  {
    name: 'get, if another tag, other tag',
    ask: ['GET', '/buckets/tb/keys/k1', 'If-None-Match: "zzz"'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'posted',
  },
  {
    name: 'get, if modified since',
    ask: ['GET', '/buckets/tb/keys/k1', 'If-Modified-Since: {posted.last-modified}'],
    status: notModified,
    headers: { etag, ...encodable },
    body: '',
  },
  {
    name: 'put, if absent, and there is one',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'If-None-Match: *'],
    send: 'x',
    status: preconditionFailed,
    headers: page,
    body: anyPage,
  },
  {
    name: 'put, if absent, and there is none',
    ask: ['PUT', '/buckets/tb/keys/new', asText, 'If-None-Match: *'],
    send: 'x',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'put, if that tag, and it is another',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'If-Match: "zzz"'],
    send: 'x',
    status: preconditionFailed,
    headers: { ...page, ...encodable },
    body: anyPage,
  },
  {
    name: 'put, if that tag, and it is that',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'If-Match: {posted.etag}'],
    send: 'x2',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'put, if unmodified since',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT'],
    send: 'x',
    status: preconditionFailed,
    headers: { ...page, ...encodable },
    body: anyPage,
  },
  {
    name: 'put, if not modified, and it was',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'X-Riak-If-Not-Modified: {k1.x-riak-vclock}'],
    send: 'x',
    status: conflict,
    headers: page,
    body: anyPage,
  },
  // The observed node crashed on these two: 500 and a stack trace.
  {
    name: 'put, a context that is no base64',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'X-Riak-Vclock: !!!'],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: /The context is not valid base64\.\n/,
  },
  {
    name: 'put, a context of nobody',
    ask: ['PUT', '/buckets/tb/keys/k1', asText, 'X-Riak-Vclock: aGVsbG8='],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: 'X-Riak-Vclock is not a context that this database issued.\n',
  },
  {
    name: 'get, r is no quorum',
    ask: ['GET', '/buckets/tb/keys/k1?r=abc'],
    status: badRequest,
    headers: plain,
    body: `r ${quorumWords}`,
  },
  {
    name: 'get, r > n',
    ask: ['GET', '/buckets/tb/keys/k1?r=5'],
    status: badRequest,
    headers: plain,
    body: tooMany,
  },
  {
    name: 'put, w > n',
    ask: ['PUT', '/buckets/tb/keys/k1?w=5', asText],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: tooMany,
  },
  {
    name: 'put, w is no quorum',
    ask: ['PUT', '/buckets/tb/keys/k1?w=bad', asText],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: `w ${quorumWords}`,
  },
  {
    name: 'get, a timeout that is none',
    ask: ['GET', '/buckets/tb/keys/k1?timeout=bad'],
    status: badRequest,
    headers: plain,
    body: 'Bad timeout value "bad"\n',
  },
  {
    name: 'put, an integer index that is none',
    ask: ['PUT', '/buckets/tb/keys/bad', asText, 'x-riak-index-age_int: abc'],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: "Could not parse field 'age_int', value 'abc'.\n",
  },
  {
    name: 'put, an index without type',
    ask: ['PUT', '/buckets/tb/keys/bad', asText, 'x-riak-index-age: abc'],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: "Unknown field type for field: 'age'.\n",
  },
  {
    name: 'put, a link that is none',
    ask: ['PUT', '/buckets/tb/keys/bad', asText, 'Link: garbage'],
    send: 'x',
    status: badRequest,
    headers: plain,
    body: 'Invalid Link header. Links must be of the form\n</buckets/BUCKET/keys/KEY>; riaktag="TAG"\n',
  },
  {
    name: 'get, unknown type',
    ask: ['GET', '/types/nosuch/buckets/tb/keys/k1'],
    status: notFound,
    headers: plain,
    body: 'Unknown bucket type: nosuch',
  },
  {
    name: 'put, unknown type',
    ask: ['PUT', '/types/nosuch/buckets/tb/keys/k1', asText],
    send: 'x',
    status: notFound,
    headers: plain,
    body: 'Unknown bucket type: nosuch',
  },
  {
    name: 'options',
    ask: ['OPTIONS', '/buckets/tb/keys/k1'],
    status: notAllowed,
    headers: { ...page, allow: 'HEAD, GET, POST, PUT, DELETE' },
    body: anyPage,
  },
  {
    name: 'delete',
    ask: ['DELETE', '/buckets/tb/keys/k3'],
    status: noContent,
    headers: { ...page, ...encodable },
    body: '',
  },
  {
    name: 'get, after the delete',
    ask: ['GET', '/buckets/tb/keys/k3'],
    status: notFound,
    headers: { ...plain, 'x-riak-vclock': vclock, 'x-riak-deleted': 'true' },
    body: 'not found\n',
  },
  {
    name: 'delete, missing',
    ask: ['DELETE', '/buckets/tb/keys/none'],
    status: notFound,
    headers: written,
    body: 'not found\n',
  },
  {
    name: 'delete, rw is no quorum',
    ask: ['DELETE', '/buckets/tb/keys/k2?rw=bad'],
    status: badRequest,
    headers: plain,
    body: `rw ${quorumWords}`,
  },
  {
    name: 'keys of an empty bucket',
    ask: ['GET', '/buckets/empty/keys?keys=true'],
    status: ok,
    headers: { ...json, ...encodable },
    body: '{"keys":[]}',
  },
  {
    name: 'buckets',
    ask: ['GET', '/buckets?buckets=true'],
    status: ok,
    headers: { ...json, ...encodable },
    body: '{"buckets":["tb"]}',
  },
  {
    name: 'buckets, streamed',
    ask: ['GET', '/buckets?buckets=stream'],
    status: ok,
    headers: { ...json, ...encodable },
    body: '{"buckets":["tb"]}{"buckets":[]}',
  },
  {
    name: 'properties, set',
    ask: ['PUT', '/buckets/sib/props', asJson],
    send: '{"props":{"allow_mult":true}}',
    status: noContent,
    headers: { ...json, ...encodable },
    body: '',
  },
  ...['{"props":', '{"n_val":3}'].map((send) => ({
    name: `properties, not ${send}`,
    ask: ['PUT', '/buckets/sib/props', asJson],
    send,
    status: badRequest,
    headers: plain,
    body: 'bucket PUT must be a JSON object of the form:\n{"props":{...bucket properties...}}\n',
  })),
  ...['0', '"x"'].map((n) => ({
    name: `properties, n_val ${n}`,
    ask: ['PUT', '/buckets/sib/props', asJson],
    send: `{"props":{"n_val":${n}}}`,
    status: badRequest,
    headers: { ...json, ...encodable },
    body: '{"n_val":"not_integer"}',
  })),
  {
    name: 'properties, as text',
    ask: ['PUT', '/buckets/sib/props', asText],
    send: '{"props":{"n_val":3}}',
    status: unsupported,
    headers: { ...page, ...encodable },
    body: anyPage,
  },
  {
    name: 'properties, reset',
    ask: ['DELETE', '/buckets/other/props'],
    status: noContent,
    headers: { ...json, ...encodable },
    body: '',
  },
  {
    name: 'properties of an unknown type',
    ask: ['GET', '/types/nosuch/props'],
    status: notFound,
    headers: { ...page, ...encodable },
    body: anyPage,
  },
  {
    name: 'put, first',
    ask: ['PUT', '/buckets/sib/keys/s', asText],
    send: 'v1',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'put, its sibling',
    ask: ['PUT', '/buckets/sib/keys/s', asJson, 'X-Riak-Meta-Who: two'],
    send: '{"v":2}',
    status: noContent,
    headers: { ...json, ...encodable },
    body: '',
  },
  {
    name: 'get, siblings',
    ask: ['GET', '/buckets/sib/keys/s'],
    status: multipleChoices,
    headers: { ...siblings, ...plain },
    body: new RegExp(`Siblings:\\n${vtag}\\n${vtag}\\n`),
    as: 'both',
  },
  {
    name: 'head, siblings',
    ask: ['HEAD', '/buckets/sib/keys/s'],
    status: multipleChoices,
    headers: { ...siblings, ...plain },
    body: '',
  },
  {
    name: 'get, siblings, multipart',
    ask: ['GET', '/buckets/sib/keys/s', 'Accept: multipart/mixed'],
    status: multipleChoices,
    headers: { ...siblings, ...multipart },
    body: `\r\n${part('sib', 'text/plain', '', 'v1')}${part('sib', 'application/json', 'X-Riak-Meta-Who: two\r\n', '{"v":2}')}--B--\r\n`,
  },
  {
    name: 'get, siblings, as a type that none of the two forms is',
    ask: ['GET', '/buckets/sib/keys/s', 'Accept: application/json'],
    status: notAcceptable,
    headers: page,
    body: anyPage,
  },
  {
    name: 'get, a sibling that there is not',
    ask: ['GET', '/buckets/sib/keys/s?vtag=bogus'],
    status: notFound,
    headers: { ...page, vary: 'Accept, Accept-Encoding' },
    body: anyPage,
  },
  {
    name: 'put, resolving',
    ask: ['PUT', '/buckets/sib/keys/s', asText, 'X-Riak-Vclock: {both.x-riak-vclock}'],
    send: 'merged',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'get, resolved',
    ask: ['GET', '/buckets/sib/keys/s'],
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('sib') },
    body: 'merged',
  },
  {
    name: 'put, with the old context again',
    ask: ['PUT', '/buckets/sib/keys/s', asText, 'X-Riak-Vclock: {both.x-riak-vclock}'],
    send: 'stale',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'delete, with the old context',
    ask: ['DELETE', '/buckets/sib/keys/s', 'X-Riak-Vclock: {both.x-riak-vclock}'],
    status: noContent,
    headers: { ...page, ...encodable },
    body: '',
  },
  {
    name: 'get, a tombstone among siblings',
    ask: ['GET', '/buckets/sib/keys/s', 'Accept: multipart/mixed'],
    status: multipleChoices,
    headers: { ...siblings, ...multipart },
    body: `\r\n${part('sib', 'text/plain', '', 'merged')}${part('sib', 'text/plain', '', 'stale')}${part('sib', 'application/octet-stream', 'X-Riak-Deleted: true\r\n', '')}--B--\r\n`,
  },
  {
    name: 'put, announced',
    ask: ['PUT', '/buckets/tb/keys/announced', asText, 'Expect: 100-continue'],
    send: 'x',
    status: noContent,
    headers: written,
    body: '',
  },
  {
    name: 'put, in chunks',
    ask: ['PUT', '/buckets/tb/keys/chunks?returnbody=true', asText, 'Transfer-Encoding: chunked'],
    send: 'in chunks',
    status: ok,
    headers: { ...value, ...plain, ...bucketLink('tb') },
    body: 'in chunks',
  },
];
