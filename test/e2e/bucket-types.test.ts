/** Bucket types by the command, of a cluster of real processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaleCluster } from './hale-cluster.ts';
import { HaleSandbox } from './hale-process.ts';

test('a type made at one node is there at the other, and after a restart; scripts for Riak read the answers', async () => {
  await using cluster = await HaleCluster.start({ size: 2 });
  const sandbox = new HaleSandbox();
  try {
    const [one, two] = cluster.nodes;
    const run = (at: string, ...args: readonly string[]) =>
      sandbox
        .run(['bucket-type', ...args, '--at', at])
        .then(({ code, out, err }) => [code, out, err] as const);
    const [here, there] = [one!.url, two!.url];
    assert.deepEqual(await run(here, 'create', 't', '{"props":{"n_val":2}}'), [0, 't created\n', '']);
    assert.deepEqual(await run(here, 'list'), [0, 'default (active)\nt (not active)\n', '']);
    assert.match(
      (await run(here, 'status', 't'))[1],
      /^t has been created and may be activated\n\n.*^n_val: 2$/ms,
    );
    assert.equal((await fetch(`${there}/types/t/props`)).status, 404);
    assert.deepEqual(await run(here, 'activate', 't'), [0, 't has been activated\n', '']);
    assert.deepEqual(await run(here, 'update', 't', '{"props":{"pw":1}}'), [0, 't updated\n', '']);
    await cluster.settled();

    const put = await fetch(`${there}/types/t/buckets/b/keys/k`, { method: 'PUT', body: 'v' });
    assert.equal(put.status, 204);
    assert.equal(await (await fetch(`${here}/types/t/buckets/b/keys/k`)).text(), 'v');
    await two!.kill();
    await two!.start();
    await cluster.settled();
    const { props } = (await (await fetch(`${two!.url}/types/t/props`)).json()) as {
      readonly props: Readonly<Record<string, unknown>>;
    };
    assert.deepEqual([props.n_val, props.pw, props.allow_mult], [2, 1, true]);

    for (const [args, code, error] of [
      [['create', 't'], 9, 'hale: t is active: update it instead (already_active)\n'],
      [['activate', 'u'], 9, 'hale: u is not an existing bucket type (no_such_type)\n'],
      [['status', 'u'], 9, 'hale: u is not an existing bucket type (no_such_type)\n'],
      [['create', 'any'], 2, 'hale: any is no bucket type of yours (reserved_name)\n'],
      [
        ['update', 't', '{"props":{"n_val":"x","w":0}}'],
        2,
        'hale: invalid properties for t (invalid_properties)\nhale:   n_val: not_integer\nhale:   w: not_valid_quorum\n',
      ],
      [['update', 't', '{"n_val":3}'], 2, 'hale: PROPS must be of the form {"props":{…}}\n'],
      [['update', 't', '{'], 2, 'hale: PROPS is not JSON\n'],
      [['drop', 't'], 9, 'hale: t still has buckets with keys: delete them first (not_empty)\n'],
    ] as const) {
      assert.deepEqual(await run(two!.url, ...args), [code, '', error]);
    }

    assert.equal((await fetch(`${here}/types/t/buckets/b/keys/k`, { method: 'DELETE' })).status, 204);
    const deadline = performance.now() + 20_000;
    let dropped = await run(here, 'drop', 't');
    while (dropped[0] !== 0 && performance.now() < deadline) dropped = await run(here, 'drop', 't');
    assert.deepEqual(dropped, [0, 't dropped\n', '']);
    await cluster.settled();
    assert.equal((await fetch(`${two!.url}/types/t/buckets/b/keys/k`)).status, 404);
    assert.deepEqual(await run(two!.url, 'list'), [0, 'default (active)\n', '']);
  } finally {
    await sandbox.close();
  }
});

test('a bucket is dropped with all it holds, and so is a type', async () => {
  await using cluster = await HaleCluster.start({ size: 3 });
  const sandbox = new HaleSandbox();
  try {
    const [one, , three] = cluster.nodes;
    const run = async (...args: readonly string[]) => {
      const { code, out, err } = await sandbox.run([...args, '--at', three!.url]);
      return [code, out, err] as const;
    };
    const put = async (path: string): Promise<number> =>
      (await fetch(`${one!.url}${path}`, { method: 'PUT', body: 'v' })).status;
    const get = async (path: string): Promise<number> => (await fetch(`${one!.url}${path}`)).status;
    assert.equal((await run('bucket-type', 'create', 't'))[0], 0);
    assert.equal((await run('bucket-type', 'activate', 't'))[0], 0);
    await cluster.settled();
    for (let i = 0; i < 50; i += 1) {
      assert.equal(await put(`/buckets/b/keys/${i}`), 204);
      assert.equal(await put(`/types/t/buckets/b${i % 3}/keys/${i}`), 204);
    }
    assert.equal(await put('/buckets/other/keys/k'), 204);
    assert.deepEqual(await run('bucket', 'drop', 'b', '--wait'), [0, 'default/b dropped\n', '']);
    assert.equal(await get('/buckets/b/keys/7'), 404);
    assert.equal(await get('/buckets/other/keys/k'), 200);
    assert.equal(await put('/buckets/b/keys/7'), 204);
    assert.deepEqual(await run('bucket-type', 'drop', 't', '--with-objects', '--wait'), [
      0,
      't dropped\n',
      '',
    ]);
    assert.equal(await get('/types/t/buckets/b0/keys/0'), 404);
    assert.deepEqual(await run('bucket', 'drops'), [0, 'nothing is being dropped\n', '']);
    assert.deepEqual(await run('bucket', 'drop', 'b', '--type', 'none'), [
      9,
      '',
      'hale: none is not an active bucket type (no_such_type)\n',
    ]);
  } finally {
    await sandbox.close();
  }
});
