import type { Reading } from './setting.ts';

/** Reads the arguments of `-o`: each `key=value`. */
export function readAssignments(assignments: readonly string[]): Reading {
  const settings = [];
  const problems = [];
  for (const assignment of assignments) {
    const origin = { kind: 'flag', flag: '-o' } as const;
    const equals = assignment.indexOf('=');
    if (equals < 1) {
      problems.push({ origin, rule: `${JSON.stringify(assignment)} must be key=value` });
      continue;
    }
    settings.push({
      key: assignment.slice(0, equals).trim(),
      text: assignment.slice(equals + 1).trim(),
      origin,
    });
  }
  return { settings, problems };
}
