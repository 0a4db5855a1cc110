/** From what a job says about its phases to what runs: unknown functions are refused before anything is read. */
import { builtInNames } from '../../../sandbox/index.ts';
import { textOfBytes } from '../../../stdx/index.ts';
import type { ObjectAddress } from '../../key-value-store.ts';
import { erlangMapFunctions } from './erlang-map.ts';
import { erlangReductions } from './erlang-reduce.ts';
import type { FunctionPhase, PhaseFunction, PhaseSpec } from './job.ts';
import { JobFailure } from './job-failure.ts';
import { BuiltInMap, LinkMap, ScriptMap } from './map-phase.ts';
import { type Phase, type PhaseTools, withinLimits } from './phase.ts';
import { readObject } from './read-object.ts';
import { BuiltInReduce, ScriptReduce } from './reduce-phase.ts';

export const sourceBytesMax = 1024 * 1024;
const builtInModule = 'riak_kv_mapreduce';

/** Rejects with `JobFailure`. */
export async function preparePhases(
  specs: readonly PhaseSpec[],
  tools: PhaseTools,
): Promise<readonly Phase[]> {
  const phases: Phase[] = [];
  for (const [index, spec] of specs.entries()) {
    phases.push(await withinLimits(index, () => prepared(index, spec, tools)));
  }
  return phases;
}

async function prepared(index: number, spec: PhaseSpec, tools: PhaseTools): Promise<Phase> {
  if (spec.kind === 'link') return new LinkMap(index, tools, spec);
  if (spec.function.language === 'erlang') return builtIn(index, spec, tools);
  return scripted(index, spec, tools);
}

function refuse(phase: number, error: string): never {
  throw new JobFailure({ kind: 'bad_phase', phase, error });
}

function builtIn(index: number, { kind, function: named, arg }: FunctionPhase, tools: PhaseTools): Phase {
  const { module, name } = named as Extract<PhaseFunction, { readonly language: 'erlang' }>;
  if (module !== builtInModule) {
    refuse(
      index,
      `invalid module named in PhaseSpec function:\n must be a valid module name (failed to load ${module}: nofile)`,
    );
  }
  if (kind === 'map') {
    const map = erlangMapFunctions.get(name);
    if (map !== undefined) return new BuiltInMap(index, tools, map, arg);
  } else {
    const reduction = erlangReductions.get(name);
    if (reduction !== undefined) return new BuiltInReduce(index, tools.budget, reduction(tools.budget));
  }
  const arity = kind === 'map' ? 3 : 2;
  return refuse(
    index,
    `invalid function named in PhaseSpec function:\n must be a valid function name (${module}:${name}/${arity} is not known)`,
  );
}

async function scripted(index: number, spec: FunctionPhase, tools: PhaseTools): Promise<Phase> {
  if (!tools.scripts.isAvailable) refuse(index, 'JavaScript is not available on this node');
  const source = await sourceOf(index, spec.function, tools);
  if (source.length > sourceBytesMax) tooLong(index);
  return spec.kind === 'map'
    ? new ScriptMap(index, tools, source, spec.arg)
    : new ScriptReduce(index, tools, source, spec.arg);
}

function sourceOf(index: number, named: PhaseFunction, tools: PhaseTools): string | Promise<string> {
  if ('source' in named) return named.source;
  if ('stored' in named) return storedSource(index, named.stored, tools);
  if (builtInNames.has(named.name)) return named.name;
  return refuse(index, `no JavaScript function is called ${named.name}`);
}

async function storedSource(index: number, address: ObjectAddress, tools: PhaseTools): Promise<string> {
  const { object } = await readObject(tools, address);
  const contents = object?.contents() ?? [];
  const [content] = contents;
  if (content !== undefined && contents.length === 1) {
    return content.value.length > sourceBytesMax ? tooLong(index) : content.value.toString('utf8');
  }
  const what = `the function ${textOfBytes(address.bucket)}/${textOfBytes(address.key)}`;
  return refuse(index, content === undefined ? `${what} is not stored` : `${what} has siblings`);
}

function tooLong(phase: number): never {
  return refuse(phase, `a function longer than ${sourceBytesMax} bytes`);
}
