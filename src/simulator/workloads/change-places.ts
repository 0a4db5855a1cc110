import type { Prng } from '../prng.ts';
import type { ClusterStage } from './cluster-stage.ts';

/** A newcomer joins and takes its share; then another leaves, in half of the runs while a third has been killed. */
export async function changePlaces(stage: ClusterStage, random: Prng): Promise<void> {
  const newcomer = stage.boot();
  await stage.untilServing([newcomer]);
  await stage.join(newcomer, stage.members[0]!);
  await stage.change([{ kind: 'join', node: newcomer.id }]);
  await stage.untilSettled();
  const leaver = stage.members[random.below(stage.members.length - 1)]!;
  if (random.chance(0.5)) stage.members.find((one) => one !== leaver)?.end('kill');
  await stage.mend();
  await stage.change([{ kind: 'leave', node: leaver.id }]);
  await stage.untilGone(leaver);
}
