/** What became of a proposal: the same on every voter, and for every copy of the proposal. */
import type { FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { CommandRefusal } from '../topology/index.ts';

export type Verdict =
  /** Folded: `epoch` is the one after it. A refused command raises the epoch too, and does nothing else. */
  | { readonly kind: 'folded'; readonly epoch: number; readonly refusal: CommandRefusal | undefined }
  /** Made so long ago, or in an earlier generation, that nobody knows any more whether a copy of it was folded. */
  | { readonly kind: 'late' };

const codes = { folded: 1, late: 2 } as const;
/** A reason is for people; a long one need not be remembered whole. */
const reasonLengthMax = 300;

export function writeVerdict(writer: FieldWriter, verdict: Verdict): void {
  writer.number(codes[verdict.kind]);
  if (verdict.kind === 'late') return;
  writer.number(verdict.epoch);
  const { refusal } = verdict;
  writer.flag(refusal !== undefined);
  if (refusal === undefined) return;
  writer.text(refusal.code);
  writer.text(refusal.reason.slice(0, reasonLengthMax));
}

export function readVerdict(reader: FieldReader): Verdict {
  const code = reader.number();
  if (code === codes.late) return { kind: 'late' };
  if (code !== codes.folded) reader.fail();
  const epoch = reader.number();
  if (!reader.flag()) return { kind: 'folded', epoch, refusal: undefined };
  // Codes come from voters of this version, or of one that knows more of them: shown as they are.
  const refusal = { code: reader.text() as CommandRefusal['code'], reason: reader.text() };
  return { kind: 'folded', epoch, refusal };
}
