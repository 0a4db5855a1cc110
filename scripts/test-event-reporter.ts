/**
 * Runs inside the process of one test file, as node:test's reporter, and tells `run-test-file.ts` what
 * happens as it happens, one JSON line an event on descriptor 3: so a test that hangs has a name.
 */
import { writeSync } from 'node:fs';
import { Transform } from 'node:stream';
import type { TestEvent } from 'node:test/reporters';
import type { TestReport } from './test-report.ts';

const reportDescriptor = 3;
/** What node:test says of the whole file in the same way. */
const countOfRunner = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

const reporter = new Transform({
  writableObjectMode: true,
  transform(event: TestEvent, _encoding, done) {
    const report = reportOf(event);
    if (report !== undefined) writeSync(reportDescriptor, `${JSON.stringify(report)}\n`);
    done();
  },
});

function reportOf(event: TestEvent): TestReport | undefined {
  switch (event.type) {
    case 'test:dequeue':
      return { kind: 'started', name: event.data.name, nesting: event.data.nesting };
    case 'test:pass': {
      const { name, nesting, skip, todo, details } = event.data;
      const isSkipped = (skip ?? false) !== false || (todo ?? false) !== false;
      return { kind: isSkipped ? 'skipped' : 'passed', name, nesting, isSuite: details.type === 'suite' };
    }
    case 'test:fail': {
      const { name, nesting, line, details } = event.data;
      const cause = details.error.cause;
      const error = cause instanceof Error ? cause : details.error;
      const stack = typeof cause === 'string' ? cause : (error.stack ?? String(error));
      // A parent fails because its child did; the child has told why.
      const isOfChild = 'failureType' in details.error && details.error.failureType === 'subtestsFailed';
      return { kind: 'failed', name, nesting, isSuite: details.type === 'suite', line, stack, isOfChild };
    }
    case 'test:diagnostic': {
      const { message } = event.data;
      return countOfRunner.test(message) ? undefined : { kind: 'noted', text: message };
    }
    default:
      return undefined;
  }
}

// The default export is node:test's contract for a reporter.
export default reporter;
