export type StartErrorCode =
  /** An address to listen on is taken or is not this machine's. */
  | 'address'
  /** Another process, or another node of this one, has the data open. */
  | 'locked'
  /** The data is another node's, or another ring's. */
  | 'other-node'
  /** The data cannot be read or written. */
  | 'data'
  /** The configuration asks for what this node was given no means for. */
  | 'configuration';

/** Why a node did not start. The message is one line, for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;
  constructor(code: StartErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
