import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectRaw } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Connection, ConnectionHandler } from '../environment/index.ts';
import { MachineNetwork } from './network.ts';
import { MachineTasks } from './tasks.ts';

const directory = mkdtempSync(join(tmpdir(), 'hale-tls-'));
after(() => rmSync(directory, { recursive: true }));
const file = (name: string): string => join(directory, name);

function openssl(...words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: 'ignore' });
}

function makeAuthority(name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const output = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
  openssl('req', '-x509', ...key, ...output, '-days', '2', '-subj', `/CN=${name}`);
}

/** The files of a node whose certificate `authority` signed. */
function certify(authority: string, name: string, alternatives: string) {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const signer = ['-CA', file(`${authority}.pem`), '-CAkey', file(`${authority}.key`)];
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${alternatives}`];
  const output = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
  openssl('req', '-x509', ...key, ...signer, ...names, ...output, '-days', '2');
  return { certificate: file(`${name}.pem`), key: file(`${name}.key`), authority: file('trusted.pem') };
}

makeAuthority('trusted');
makeAuthority('foreign');
const good = certify('trusted', 'node', 'DNS:a.example,IP:127.0.0.1,email:a@a.example');
const foreign = certify('foreign', 'imposter', 'DNS:a.example');

const crash = (activity: string, error: unknown): never => {
  throw new Error(activity, { cause: error });
};

test('both ends are certified, learn the other’s names, and carry bytes', async (context) => {
  const plain = new MachineNetwork({ tasks: new MachineTasks(crash), crash });
  context.after(() => plain.close());
  const network = await plain.secured(good);
  let accepted: Connection | undefined;
  const sent = Buffer.alloc(300_000, 7);
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
    accepted = connection;
    return {
      data: (chunk) => connection.write(Buffer.from(chunk)),
      drain: () => undefined,
      closed: () => undefined,
    };
  });
  let echoed = 0;
  await new Promise<void>((resolve, reject) => {
    const handler: ConnectionHandler = {
      data: (chunk) => {
        echoed += chunk.length;
        if (echoed === sent.length) resolve();
      },
      drain: () => undefined,
      closed: reject,
    };
    network
      .connect(listener.address, () => handler, 5000)
      .then((connection) => {
        assert.deepEqual(connection.certifiedNames, ['a.example', '127.0.0.1', 'a@a.example', 'node']);
        connection.write(sent);
      }, reject);
  });
  assert.ok(accepted?.certifiedNames?.includes('a@a.example'));
});

test('who has no certificate of the authority is never handed on', async (context) => {
  const plain = new MachineNetwork({ tasks: new MachineTasks(crash), crash });
  context.after(() => plain.close());
  const [network, imposter] = [await plain.secured(good), await plain.secured(foreign)];
  let handedOn = 0;
  const quiet = { data: () => undefined, drain: () => undefined, closed: () => undefined };
  const accept = () => {
    handedOn += 1;
    return quiet;
  };
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accept);
  // TLS 1.3 lets a client believe in its success for a moment; the connection is closed right after.
  await new Promise<void>((resolve) => {
    const over = () => resolve();
    imposter.connect(listener.address, () => ({ ...quiet, closed: over }), 5000).catch(over);
  });
  await new Promise<void>((resolve) => {
    const raw = connectRaw(listener.address.port, '127.0.0.1', () => raw.end('GET / HTTP/1.1\r\n\r\n'));
    raw.on('error', () => undefined);
    raw.on('close', () => resolve());
  });
  const fake = await imposter.listen({ host: '127.0.0.1', port: 0 }, accept);
  await assert.rejects(
    network.connect(fake.address, () => quiet, 5000),
    { name: 'NetworkError' },
  );
  assert.equal(handedOn, 0);
});

test('files that are missing or hold no key are refused at once', async (context) => {
  const plain = new MachineNetwork({ tasks: new MachineTasks(crash), crash });
  context.after(() => plain.close());
  await assert.rejects(plain.secured({ ...good, key: file('missing') }));
  await assert.rejects(plain.secured({ ...good, key: good.certificate }));
});
