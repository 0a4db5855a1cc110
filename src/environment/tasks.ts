export interface Tasks {
  /**
   * Runs an asynchronous body that nobody awaits. If it rejects, the node stops with the task's name
   * and the error: a lost failure is worse than a crash.
   */
  spawn(name: string, body: () => Promise<void>): void;
  /**
   * Calls `run` when the present turn of the event loop has handled all input that is ready: the
   * moment to write what the turn gathered, to disk and to peers, in one go.
   */
  endOfTurn(run: () => void): void;
}
