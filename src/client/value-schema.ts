/** Checks values with a Standard Schema, and names in a `HaleError` what is wrong with them. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { HaleError, type ValueIssue } from './hale-error.ts';

/** What the schema makes of `value`. Rejects with `invalid_value`; `where` says whose value it was. */
export async function checkValue(schema: StandardSchemaV1, value: unknown, where: string): Promise<unknown> {
  const checked = schema['~standard'].validate(value);
  const result = checked instanceof Promise ? await checked : checked;
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(issueOf);
  const texts = issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
  );
  throw new HaleError('invalid_value', `${where} does not fit its schema: ${texts.join('; ')}`, { issues });
}

function issueOf(issue: StandardSchemaV1.Issue): ValueIssue {
  const path = (issue.path ?? []).map((segment) => (typeof segment === 'object' ? segment.key : segment));
  return { message: issue.message, path };
}
