import { totalmem } from 'node:os';

/** Bytes that this process may use: those of the machine, or of the container, where that has fewer. */
export function memoryOfProcess(): number {
  // 0 where nothing constrains it, or where Node cannot tell; some kernels say a number beyond any machine.
  const constrained = process.constrainedMemory() ?? 0;
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}
