import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { byteLiteral } from '../../stdx/index.ts';
import { siblingList, siblingMultipart } from './sibling-multipart.ts';

const modified = 1_795_233_691_123_456; // 2026-11-21T04:01:31.123456Z
const bare = { links: [], userMeta: [], indexes: [], deleted: false, lastModifiedMicros: modified };

test('siblings have the bytes that a real Riak node sends', () => {
  const contents = [
    {
      ...bare,
      value: Buffer.from('v1'),
      contentType: byteLiteral('text/plain'),
      vtag: byteLiteral('79c6aW9926KgcKJkgImzGU'),
    },
    {
      ...bare,
      value: Buffer.from('{"v":2}'),
      contentType: byteLiteral('application/json'),
      vtag: byteLiteral('1LwCYLj9vbZ1o0jX9G6Ky5'),
      userMeta: [{ key: byteLiteral('X-Riak-Meta-Who'), value: byteLiteral('two') }],
    },
    { ...bare, value: Buffer.alloc(0), vtag: byteLiteral('48SMSnOMEOQQ0pTpvEgEKy'), deleted: true },
  ];
  const expected = `
--7HN57kzOnUeEnhmmcKZ0x7qmG6k
Content-Type: text/plain
Link: </buckets/sib3>; rel="up"
Etag: 79c6aW9926KgcKJkgImzGU
Last-Modified: Sat, 21 Nov 2026 04:01:31 GMT

v1
--7HN57kzOnUeEnhmmcKZ0x7qmG6k
Content-Type: application/json
Link: </buckets/sib3>; rel="up"
Etag: 1LwCYLj9vbZ1o0jX9G6Ky5
Last-Modified: Sat, 21 Nov 2026 04:01:31 GMT
X-Riak-Meta-Who: two

{"v":2}
--7HN57kzOnUeEnhmmcKZ0x7qmG6k
Content-Type: application/octet-stream
Link: </buckets/sib3>; rel="up"
Etag: 48SMSnOMEOQQ0pTpvEgEKy
Last-Modified: Sat, 21 Nov 2026 04:01:31 GMT
X-Riak-Deleted: true


--7HN57kzOnUeEnhmmcKZ0x7qmG6k--
`.replaceAll('\n', '\r\n');
  const body = siblingMultipart(contents, '7HN57kzOnUeEnhmmcKZ0x7qmG6k', byteLiteral('sib3'), 'buckets');
  assert.equal(body.toString(), expected);
  assert.equal(
    siblingMultipart(contents.slice(0, 2), '7HN57kzOnUeEnhmmcKZ0x7qmG6k', byteLiteral('sib3'), 'buckets')
      .length,
    412,
  );
  assert.equal(
    siblingList(contents.slice(0, 2)).toString(),
    'Siblings:\n79c6aW9926KgcKJkgImzGU\n1LwCYLj9vbZ1o0jX9G6Ky5\n',
  );
});
