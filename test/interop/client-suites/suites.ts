/**
 * The suites that stock clients ship, how their authors ran them, and what is expected of each: the number of
 * tests that pass, and why the others do not. What needs a search engine (no-riak's search.js, riak-js's
 * 1.4-specific and 2.0-specific, riakpbc's search.js) or a node with security (riakpbc's security.js) is not
 * run; neither exists here, nor do Riak's own newer releases have the search.
 */
import type { ClientSuite } from './client-suite.ts';

const countsDeleted = 'counts an object that a test before it has deleted; it fails with Riak as well';
const noBuckets = 'asks for a list of buckets when no bucket holds a key, and expects one';
const security = 'TLS and users: not there yet; it runs `riak-admin` besides';
const oldNode = "compares a function's source text, which newer versions of Node print as it was written";

export const clientSuites: readonly ClientSuite[] = [
  {
    name: 'no-riak',
    runner: 'mocha',
    runs: [['--require', 'test/globals', '--recursive', '--ignore', 'test/search.js']],
    bucketTypes: {
      no_riak_test_bucket_type: { r: 1, allow_mult: true },
      no_riak_test_crdt_counter: { datatype: 'counter', allow_mult: true },
      no_riak_test_crdt_map: { datatype: 'map', allow_mult: true },
      no_riak_test_crdt_set: { datatype: 'set', allow_mult: true },
    },
    passes: 91,
    misses: {
      [security]: [
        'Authentication and TLS Security enabled "before all" hook for "should start TLS and authenticate"',
        'Authentication and TLS "after all" hook in "Authentication and TLS"',
      ],
    },
  },
  {
    name: 'riak-js',
    runner: 'mocha',
    runs: [['--timeout', '20000', 'test/*-test.js']],
    environment: { NODE_ENV: 'test' },
    passes: 87,
    misses: {
      [oldNode]: [
        'mapper-tests Phases are added correctly',
        'meta-tests Can be passed multiple option objects, and it mixes in correctly',
      ],
    },
  },
  {
    name: 'nodiak',
    runner: 'mocha',
    runs: [['--timeout', '10000', '--require', 'should', '--ui', 'bdd']],
    environment: { NODIAK_2I: 'true' },
    passes: 31,
    misses: {
      [countsDeleted]: [
        'Nodiak Riak Client Test Suite Performing MapReduce queries should be able to handle streamed results',
        'Nodiak Riak Client Test Suite Performing MapReduce queries should be able to handle non-streamed results',
      ],
    },
  },
  {
    name: 'riakpbc',
    runner: 'lab',
    runs: [
      'balancer',
      'buckettypes',
      'client',
      'counters',
      'indexes',
      'keys',
      'mapred',
      'maps',
      'merge',
      'options',
      'parser',
      'quorum',
      'server',
      'sets',
      'buckets',
    ].map((name) => [`test/${name}.js`]),
    bucketTypes: {
      _test_crdt_counter: { datatype: 'counter', allow_mult: true },
      _test_crdt_map: { datatype: 'map', allow_mult: true },
      _test_crdt_set: { datatype: 'set', allow_mult: true },
    },
    passes: 104,
    misses: { [noBuckets]: ['Buckets (callbacks) can list buckets'] },
  },
];
