/**
 * The names of hooks. A hook is a function of our own by its name, or a stored one by where it is stored: `bucket/key`, or
 * `type/bucket/key`, each part percent-encoded if need be, so that both APIs of Riak can say it. Erlang's cannot be run.
 */
import { builtInHookNames } from '../../sandbox/index.ts';
import { byteLiteral, bytesOfText } from '../../stdx/index.ts';
import type { BucketProperties, CommitHook, PropertyProblem } from '../bucket-properties.ts';
import type { ObjectAddress } from '../key-value-store.ts';

export type HookFunction =
  | { readonly kind: 'built_in'; readonly name: string }
  | { readonly kind: 'stored'; readonly address: ObjectAddress };

/** Undefined: no hook can have this name. */
export function hookFunctionOf(hook: CommitHook): HookFunction | undefined {
  if (!('name' in hook)) return undefined;
  const { name } = hook;
  if (builtInHookNames.has(name)) return { kind: 'built_in', name };
  const parts = name.split('/').map(decoded);
  const [first, second, third] = parts;
  const isPath = parts.every((part) => part !== undefined && part !== '');
  if (!isPath || parts.length < 2 || parts.length > 3) return undefined;
  const address =
    parts.length === 2
      ? { bucketType: byteLiteral('default'), bucket: bytesOfText(first!), key: bytesOfText(second!) }
      : { bucketType: bytesOfText(first!), bucket: bytesOfText(second!), key: bytesOfText(third!) };
  return { kind: 'stored', address };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

export function hookProblems(properties: BucketProperties): readonly PropertyProblem[] {
  return (['precommit', 'postcommit'] as const).flatMap((property) => {
    const hooks = properties[property];
    if (hooks.some((hook) => !('name' in hook))) return [{ property, reason: 'erlang_hooks_not_supported' }];
    const areKnown = hooks.every((hook) => hookFunctionOf(hook) !== undefined);
    return areKnown ? [] : [{ property, reason: 'unknown_function' }];
  });
}
