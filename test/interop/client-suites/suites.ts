/**
 * The suites that stock clients ship, how their authors ran them, and what is expected of each: the number of
 * tests that pass, and why the others do not. What needs a search engine (no-riak's search.js, riak-js's
 * 1.4-specific and 2.0-specific, riakpbc's search.js) or a node with security (riakpbc's security.js) is not
 * run; neither exists here, nor do Riak's own newer releases have the search.
 */
import type { ClientSuite } from './client-suite.ts';

const types = 'data types: not there yet';
const indexes = 'queries of secondary indexes: not there yet';
const mapreduce = 'MapReduce: not there yet';
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
    passes: 63,
    misses: {
      [indexes]: [
        'Secondary indexes 2i search, with max_results/continuation',
        'Secondary indexes 2i search all at once',
        'Secondary indexes 2i range query with return_terms=true',
        'Secondary indexes 2i invalid query',
      ],
      [types]: [
        'CRDT Counter new counter should be able to save/load',
        'CRDT Counter should create new Counter with custom key',
        'CRDT Counter should update existing counter',
        'CRDT Map should save/load',
        'CRDT Map save/load empty map',
        'CRDT Map remove field before save',
        'CRDT Map remove field after save',
        'CRDT Map update same field with different type on new object',
        'CRDT Map update same field with different type on saved object',
        'CRDT Map get() update overwritten loaded field',
        'CRDT Map should save/load new instance with provided key',
        'CRDT Map should load and update existing map',
        'CRDT Map map in map',
        'CRDT Map map register',
        'CRDT Map map register, strings = false',
        'CRDT Map map flag',
        'CRDT Set should be able to save/load new set',
        'CRDT Set should not convert values to strings with strings=false',
        'CRDT Set should be able to save/load new set with custom key',
        'CRDT Set should be able to save/load existing set',
        'Key/Value operations set counter',
        'Key/Value operations get counter',
      ],
      [mapreduce]: ['Map/Reduce map/reduce', 'Map/Reduce map/reduce - keep=false'],
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
    passes: 73,
    misses: {
      [mapreduce]: [
        'http-client-tests Get all',
        'http-mapreduce-client-tests Map to an array of JSON objects',
        'http-mapreduce-client-tests Map to a custom function',
        'http-mapreduce-client-tests Map with arguments',
        'http-mapreduce-client-tests Map/Reduce',
        'http-mapreduce-client-tests Map Erlang functions',
        'protocol-buffers-mapreduce-client Map to an array of JSON objects',
        'protocol-buffers-mapreduce-client Map to a custom function',
        'protocol-buffers-mapreduce-client Map with arguments',
        'protocol-buffers-mapreduce-client Map/Reduce',
        'protocol-buffers-mapreduce-client Map Erlang functions',
        'protocol-buffers-mapreduce-client Supports chunked map/reduce',
      ],
      [indexes]: ['http-client-tests Secondary Indices', 'http-client-tests Special Secondary Indices'],
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
    passes: 20,
    misses: {
      [indexes]: [
        'Nodiak Riak Client Test Suite Using the base client to perform 2i queries should be able to perform ranged integer 2i searches',
        'Nodiak Riak Client Test Suite Using the base client to perform 2i queries should be able to perform exact match integer 2i searches',
        'Nodiak Riak Client Test Suite Using the base client to perform 2i queries should be able to perform ranged binary 2i searches',
        'Nodiak Riak Client Test Suite Using the base client to perform 2i queries should be able to perform exact match binary 2i searches',
        "Nodiak Riak Client Test Suite Using the 'Bucket' class to perform 2i queries should be able to perform ranged 2i searches, stream results as keys",
        "Nodiak Riak Client Test Suite Using the 'Bucket' class to perform 2i queries should be able to perform ranged 2i searches, results as keys",
        "Nodiak Riak Client Test Suite Using the 'Bucket' class to perform 2i queries should be able to perform exact match 2i searches, stream results as keys",
        "Nodiak Riak Client Test Suite Using the 'Bucket' class to perform 2i queries should be able to perform exact match 2i searches, results as keys",
      ],
      [mapreduce]: [
        'Nodiak Riak Client Test Suite Performing MapReduce queries should be able to handle streamed results',
        'Nodiak Riak Client Test Suite Performing MapReduce queries should be able to handle non-streamed results',
      ],
      [types]: [
        "Nodiak Riak Client Test Suite Using the 'Counter' class to perform CRDT Counter operations should be able to add to a counter",
        "Nodiak Riak Client Test Suite Using the 'Counter' class to perform CRDT Counter operations should be able to subtract from a counter",
        "Nodiak Riak Client Test Suite Using the 'Counter' class to perform CRDT Counter operations should be able to get the value of a counter",
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
    passes: 56,
    misses: {
      [types]: [
        'test/buckettypes.js',
        'test/counters.js',
        'test/maps.js',
        'test/sets.js',
        'Buckets (callbacks) can list buckets',
      ],
      [indexes]: [
        'Secondary Indexes (callbacks) can find a key by its index with an exact match',
        'Secondary Indexes (callbacks) can find a key by its index with a range',
        'Secondary Indexes (streams) can find a key by its index with an exact match',
        'Secondary Indexes (streams) can find a key by its index with a range',
      ],
      [mapreduce]: [
        'MapReduce (callbacks) can execute a mapreduce query',
        'MapReduce (streams) can execute a mapreduce query',
      ],
    },
  },
];
