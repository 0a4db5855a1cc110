/**
 * Where an exception goes that nobody can handle: a bug, after which the node must not go on. The
 * owner of the process decides what stopping means; an embedding application may close its node.
 */
export type CrashHandler = (activity: string, error: unknown) => void;
