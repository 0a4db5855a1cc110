import { defineKey } from '../key-definition.ts';
import { bytes, duration, integer, word } from '../value-type.ts';

export const mapReduceKeys = {
  'mapreduce.timeout.default': defineKey({
    type: duration({ minimum: 1, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long a MapReduce job may take that names no timeout of its own.',
    extremes: [50],
  }),
  'mapreduce.timeout.maximum': defineKey({
    type: duration({ minimum: 1, maximum: 604_800_000 }),
    default: 3_600_000,
    doc: 'How long a MapReduce job may take whatever it asks for.',
    extremes: [50],
  }),
  'mapreduce.jobs.maximum': defineKey({
    type: integer({ minimum: 0, maximum: 10_000 }),
    default: 16,
    doc: 'MapReduce jobs that this node runs at once; one more is refused as overload. 0 refuses all.',
    extremes: [1],
  }),
  'mapreduce.request.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 2 ** 30 }),
    default: 8 * 2 ** 20,
    doc: 'The largest MapReduce job as it is sent, its list of keys included.',
    extremes: [64 * 1024],
  }),
  'mapreduce.held.maximum': defineKey({
    type: bytes({ minimum: 2 ** 16, maximum: 2 ** 40 }),
    default: 64 * 2 ** 20,
    doc: 'What one MapReduce job may hold in memory at a time: its keys and arguments, objects being read, what phases made and others have not taken yet, results that have not left.',
    extremes: [2 ** 20],
  }),
  'mapreduce.script_time.maximum': defineKey({
    type: duration({ minimum: 1, maximum: 86_400_000 }),
    default: 10_000,
    doc: 'Processor time that the JavaScript of one MapReduce job may take, all its calls together. A call ends after four times as long on the clock, too.',
    extremes: [100],
  }),
} as const;

export const javascriptKeys = {
  'javascript.engine': defineKey({
    type: word('auto', 'isolated-vm', 'quickjs', 'off'),
    default: 'auto',
    doc: 'What runs JavaScript of users, in processes of its own: "auto" takes isolated-vm where it is installed, else quickjs, which is slower. "off" refuses such jobs and hooks.',
  }),
  'javascript.map_pool_size': defineKey({
    type: integer({ minimum: 1, maximum: 256 }),
    default: 2,
    doc: 'Processes for the JavaScript of MapReduce jobs. They are started when they are needed.',
  }),
  'javascript.hook_pool_size': defineKey({
    type: integer({ minimum: 1, maximum: 256 }),
    default: 1,
    doc: 'Processes for the JavaScript of commit hooks. They are started when they are needed.',
  }),
  'javascript.maximum_heap_size': defineKey({
    type: bytes({ minimum: 2 ** 23, maximum: 2 ** 31 }),
    default: 64 * 2 ** 20,
    doc: 'Memory that one call of JavaScript of users may take.',
  }),
  'javascript.queue.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Calls of JavaScript that wait for a process; one more fails as overload.',
  }),
  'javascript.hook_time.maximum': defineKey({
    type: duration({ minimum: 1, maximum: 60_000 }),
    default: 1000,
    doc: 'Processor time that a commit hook may take. It fails after four times as long on the clock, too, waiting included.',
  }),
  'javascript.hook_object.maximum': defineKey({
    // Its JSON may be six times as long, and V8 makes no string of 2 ** 29 characters.
    type: bytes({ minimum: 1024, maximum: 2 ** 26 }),
    default: 4 * 2 ** 20,
    doc: 'The largest object, with its metadata, that can be written to a bucket with pre-commit hooks, and that post-commit hooks are told of.',
  }),
} as const;
