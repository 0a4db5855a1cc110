/** Why an administrative request failed. Codes are stable; those of the cluster log's refusals are among them. */
export class AdminFailure extends Error {
  override readonly name = 'AdminFailure';
  /** Of HTTP. 400, 413: the request is wrong. 409: the cluster refuses. 503: it cannot decide now, or nobody knows whether it has. */
  readonly status: 400 | 409 | 413 | 503;
  readonly code: string;
  /** More than one reason, each for people. */
  readonly reasons: readonly string[];

  constructor(
    status: AdminFailure['status'],
    code: string,
    message: string,
    reasons: readonly string[] = [],
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.reasons = reasons;
  }
}

export function badRequest(message: string): AdminFailure {
  return new AdminFailure(400, 'bad_request', message);
}
