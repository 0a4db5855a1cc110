/** The bytes are not the message they claim to be. The only error that decoding throws. */
export class DecodeError extends Error {
  override readonly name: string = 'DecodeError';
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** The lists of a content, as errors name them. */
export type ContentList = 'links' | 'entries of user metadata' | 'index entries';

/** The bytes are not a well-formed RpbContent, or are one with more than may be written. */
export class ContentError extends DecodeError {
  override readonly name = 'ContentError';
  /** Of what there is too much. */
  readonly list: ContentList | undefined;
  constructor(reason: string, list?: ContentList) {
    super(reason);
    this.list = list;
  }
}
