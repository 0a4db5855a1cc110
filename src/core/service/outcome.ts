/** What becomes of a request at one vnode. */
export type Outcome<Answer> =
  /** The vnode did what was asked; if that was a write, the partition's new owner has it too, should it move. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  /**
   * `refused`: by the service, or by the gate of a partition that moves. Of the others it is not known whether the
   * vnode did it, save `overload`, which did not.
   */
  | { readonly kind: 'failed'; readonly reason: 'unreachable' | 'overload' | 'timeout' | 'refused' }
  /** Not done: the partition has another owner by now. */
  | { readonly kind: 'moved'; readonly epoch: number };
