/** Bucket properties as RpbBucketProps and back. What has no field there is neither seen nor set. */
import type { MessageOf, rpbBucketProps } from '../../wire/index.ts';
import {
  type BucketProperties,
  type BucketPropertyChanges,
  countProperties as counts,
  flagProperties as flags,
  quorumProperties as quorums,
} from '../bucket-properties.ts';
import { HaleError } from '../hale-error.ts';
import { numberOfQuorum, quorumOfNumber } from './quorum-number.ts';

type Props = MessageOf<typeof rpbBucketProps>;

/** Throws `protocol` if the node left out what every node has. */
export function propertiesOfMessage(props: Props): BucketProperties {
  const fields = new Map<string, unknown>();
  for (const name of [...counts, ...flags]) fields.set(name, props[name]);
  for (const name of quorums) {
    const number = props[name];
    fields.set(name, number === undefined ? undefined : quorumOfNumber(number));
  }
  for (const [name, value] of fields) {
    if (value === undefined) throw new HaleError('protocol', `the node left out the property ${name}`);
  }
  if (props.node_confirms !== undefined) fields.set('node_confirms', quorumOfNumber(props.node_confirms));
  if (props.feed === true) fields.set('feed', true);
  // Every name is one of the tables above, which spell out BucketProperties.
  return Object.fromEntries(fields) as unknown as BucketProperties;
}

/** Throws `invalid_argument` for a value that cannot be sent. */
export function messageOfChanges(changes: BucketPropertyChanges): Partial<Props> {
  for (const name of counts) {
    const value = changes[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) {
      throw new HaleError('invalid_argument', `the bucket property ${name} is a count, not ${value}`);
    }
  }
  const { r, w, dw, rw, pr, pw, node_confirms, ...rest } = changes;
  return {
    ...rest,
    r: numberOfQuorum(r),
    w: numberOfQuorum(w),
    dw: numberOfQuorum(dw),
    rw: numberOfQuorum(rw),
    pr: numberOfQuorum(pr),
    pw: numberOfQuorum(pw),
    node_confirms: numberOfQuorum(node_confirms),
  };
}
