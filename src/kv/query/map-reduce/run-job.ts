/** Drives one job: slices of inputs go through the phases one behind the other; then the phases end, in their order. */
import { type Item, sizeOfAll, sizeOfTerm } from './item.ts';
import type { MapReduceJob } from './job.ts';
import type { JobBudget } from './job-budget.ts';
import { type InputSources, inputSlices } from './job-inputs.ts';
import { type PhaseTools, withinLimits } from './phase.ts';
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
  budget.hold(sizeOfJob(job));
  const phases = await preparePhases(job.phases, tools);
  const isKept = (phase: number): boolean => job.phases[phase]?.isKept === true;
  /** What a phase made is held until the phases behind it have taken it. */
  const passOn = async (phase: number, made: readonly Item[]): Promise<void> => {
    if (made.length > 0 && isKept(phase)) await withinLimits(phase, () => sink(phase, made, budget));
    await pass(phase + 1, made);
    budget.release(sizeOfAll(made));
  };
  const pass = async (to: number, inputs: readonly Item[]): Promise<void> => {
    const phase = phases[to];
    if (phase === undefined) return;
    for (let at = 0; at < inputs.length; ) {
      budget.timeLeft();
      const slice = inputs.slice(at, at + phase.pushLength);
      at += slice.length;
      await passOn(to, await withinLimits(to, () => phase.push(slice)));
      await budget.pause();
    }
  };
  for await (const slice of inputSlices(job.inputs, sources)) {
    budget.timeLeft();
    // Without phases the inputs are the result.
    if (phases.length === 0) await sink(0, slice, budget);
    else await pass(0, slice);
    await budget.pause();
  }
  for (const [index, phase] of phases.entries()) {
    await passOn(index, await withinLimits(index, () => phase.finish()));
  }
}

/** Of what the client sent, as far as its length is the client's choice. */
function sizeOfJob({ inputs, phases }: MapReduceJob): number {
  const args = phases.map((phase) => (phase.kind === 'link' ? null : (phase.arg ?? null)));
  return (inputs.kind === 'keys' ? sizeOfAll(inputs.keys) : 0) + sizeOfTerm(args);
}
