/** Stock clients, unmodified, each at another node of one cluster, see one database. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { type ClusterNode, protobufPort } from './cluster-node.ts';
import { HaleCluster } from './hale-cluster.ts';

type Callback = (
  error: unknown,
  response: { readonly values: readonly { readonly value: Buffer }[] },
) => void;

interface BashoClient {
  stop(callback: (error: unknown, state: number) => void): void;
  storeValue(options: object, callback: Callback): void;
  fetchValue(options: object, callback: Callback): void;
}

interface StoredObject {
  setValue(value: Buffer): this;
  setContentType(type: string): this;
}

interface NoRiakClient {
  init(): Promise<unknown>;
  end(): Promise<unknown>;
  get(request: object): Promise<{ readonly content: readonly { readonly value: Buffer }[] } | null>;
  put(request: object): Promise<unknown>;
  listKeys(request: object): Promise<string[]>;
}

const require = createRequire(import.meta.url);
const basho = require('basho-riak-client') as {
  Node: { buildNodes(addresses: readonly string[]): readonly object[] };
  Cluster: new (options: object) => object;
  Client: new (cluster: object, callback: (error: unknown, client: BashoClient) => void) => BashoClient;
  Commands: { KV: { RiakObject: new () => StoredObject } };
};
const noRiak = require('no-riak') as { Client: new (options: object) => NoRiakClient };

interface SomeClient {
  readonly name: string;
  put(key: string, value: string): Promise<void>;
  /** Before its node ends: it would try again for ever. */
  close(): Promise<void>;
  /** Undefined: not found. */
  get(key: string): Promise<string | undefined>;
}

const bucket = 'shared';
/** Of Basho's client; before it comes another state. */
const shutDown = 4;

test('stock clients at three nodes see one database', async () => {
  await using cluster = await HaleCluster.start({ size: 3 });
  const [one, two, three] = cluster.nodes;
  const clients = [await bashoClient(one!), await noRiakClient(two!), httpClient(three!)];
  try {
    for (const writer of clients) {
      await writer.put(`by ${writer.name}`, `value of ${writer.name}`);
      for (const reader of clients) {
        const found = await reader.get(`by ${writer.name}`);
        assert.equal(found, `value of ${writer.name}`, `${reader.name} reads what ${writer.name} wrote`);
      }
    }
    assert.equal(await clients[2]!.get('never written'), undefined);
    const keys = clients.map(({ name }) => `by ${name}`).sort();
    assert.deepEqual(await keysAt(two!), keys);
  } finally {
    for (const client of clients) await client.close();
  }
  cluster.assertSound();
});

async function bashoClient(node: ClusterNode): Promise<SomeClient> {
  const nodes = basho.Node.buildNodes([`${node.host}:${protobufPort}`]);
  const client = await new Promise<BashoClient>((resolve, reject) => {
    new basho.Client(new basho.Cluster({ nodes }), (error, started) => {
      if (error === null || error === undefined) resolve(started);
      else reject(error as Error);
    });
  });
  const call = (method: 'storeValue' | 'fetchValue', options: object) =>
    new Promise<Parameters<Callback>[1]>((resolve, reject) => {
      client[method]({ bucket, ...options }, (error, response) => {
        if (error === null || error === undefined) resolve(response);
        else reject(error as Error);
      });
    });
  return {
    name: 'basho-riak-client',
    close: () =>
      new Promise((resolve) => {
        client.stop((_error, state) => {
          if (state === shutDown) resolve();
        });
      }),
    put: async (key, text) => {
      const value = new basho.Commands.KV.RiakObject()
        .setValue(Buffer.from(text))
        .setContentType('text/plain');
      await call('storeValue', { key, value });
    },
    get: async (key) => (await call('fetchValue', { key })).values[0]?.value.toString(),
  };
}

async function noRiakClient(node: ClusterNode): Promise<SomeClient> {
  const client = await connectedNoRiak(node);
  return {
    name: 'no-riak',
    close: async () => {
      await client.end();
    },
    put: async (key, text) => {
      await client.put({ bucket, key, content: { value: text, content_type: 'text/plain' } });
    },
    get: async (key) => (await client.get({ bucket, key }))?.content[0]?.value.toString(),
  };
}

/** By a client of its own. */
async function keysAt(node: ClusterNode): Promise<readonly string[]> {
  const client = await connectedNoRiak(node);
  try {
    return (await client.listKeys({ bucket })).map(String).sort();
  } finally {
    await client.end();
  }
}

async function connectedNoRiak(node: ClusterNode): Promise<NoRiakClient> {
  const client = new noRiak.Client({
    connectionString: `${node.host}:${protobufPort}`,
    connectionTimeout: 500,
  });
  await client.init();
  return client;
}

/** Any program that speaks HTTP. */
function httpClient(node: ClusterNode): SomeClient {
  const urlOf = (key: string): string => `${node.url}/buckets/${bucket}/keys/${encodeURIComponent(key)}`;
  return {
    name: 'http',
    close: () => Promise.resolve(),
    put: async (key, body) => {
      const response = await fetch(urlOf(key), {
        method: 'PUT',
        body,
        headers: { 'content-type': 'text/plain' },
      });
      assert.equal(response.status, 204);
    },
    get: async (key) => {
      const response = await fetch(urlOf(key));
      assert.ok(response.status === 200 || response.status === 404, `${response.status}`);
      return response.status === 200 ? response.text() : undefined;
    },
  };
}
