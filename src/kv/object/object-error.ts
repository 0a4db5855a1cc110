/** Bytes that are not the stored form of an object. */
export class ObjectFormatError extends Error {
  override readonly name = 'ObjectFormatError';
}

/** An object has at least one content (riak_kv#1707). */
export class EmptyObjectError extends Error {
  override readonly name = 'EmptyObjectError';
  constructor() {
    super('an object must have at least one content');
  }
}
