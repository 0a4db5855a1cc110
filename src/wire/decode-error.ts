/** The bytes are not the message they claim to be. The only error that decoding throws. */
export class DecodeError extends Error {
  override readonly name: string = 'DecodeError';
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** The bytes are not a well-formed RpbContent. */
export class ContentError extends DecodeError {
  override readonly name = 'ContentError';
}
