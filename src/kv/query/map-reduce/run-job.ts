/** Drives one job: slices of inputs go through the phases one behind the other; then the phases end, in their order. */
import type { Item } from './item.ts';
import type { MapReduceJob } from './job.ts';
import type { JobBudget } from './job-budget.ts';
import { type InputSources, inputSlices } from './job-inputs.ts';
import type { Phase, PhaseTools } from './phase.ts';
import { preparePhases } from './prepare-phases.ts';

/**
 * Takes results of phases that are kept; resolves when it can take more. What it holds on to, it enters into the
 * budget. It may throw `JobFailure`.
 */
export type ResultSink = (phase: number, items: readonly Item[], budget: JobBudget) => Promise<void>;

/** Rejects with `JobFailure`. */
export async function runJob(
  job: MapReduceJob,
  tools: PhaseTools,
  sources: InputSources,
  sink: ResultSink,
): Promise<void> {
  const { budget } = tools;
  const phases = await preparePhases(job.phases, tools);
  // Without phases the inputs are the result.
  const isKept = (phase: number): boolean => job.phases[phase]?.isKept ?? phases.length === 0;
  const results = async (phase: number, items: readonly Item[]): Promise<void> => {
    if (items.length > 0 && isKept(phase)) await sink(phase, items, budget);
  };
  const pass = async (from: number, inputs: readonly Item[]): Promise<void> => {
    let items = inputs;
    for (let phase = from; phase < phases.length && items.length > 0; phase += 1) {
      budget.timeLeft();
      items = await phases[phase]!.push(items);
      await results(phase, items);
    }
  };
  for await (const slice of inputSlices(job.inputs, sources)) {
    budget.timeLeft();
    if (phases.length === 0) await results(0, slice);
    else await pass(0, slice);
    await budget.pause();
  }
  await finishAll(phases, async (phase, items) => {
    await results(phase, items);
    await pass(phase + 1, items);
  });
}

async function finishAll(
  phases: readonly Phase[],
  ended: (phase: number, items: readonly Item[]) => Promise<void>,
): Promise<void> {
  for (const [index, phase] of phases.entries()) await ended(index, await phase.finish());
}
