/** The test suites inside the packages of four stock clients, each against an empty node. */
import { test } from 'node:test';
import { makeBucketType, startNode } from '../started-node.ts';
import { checkOutcome, runClientSuite } from './client-suite.ts';
import { clientSuites } from './suites.ts';

for (const suite of clientSuites) {
  test(`the suite of ${suite.name} passes but for the misses that are named`, async () => {
    // As `delete_mode=immediate` is at a Riak node: what was deleted is gone when the answer has come.
    await using node = await startNode('-o', 'tombstone_pause=0');
    for (const [name, props] of Object.entries(suite.bucketTypes ?? {}))
      await makeBucketType(node, name, props);
    checkOutcome(suite, await runClientSuite(suite, node));
  });
}
