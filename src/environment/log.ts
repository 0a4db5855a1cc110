export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured logs. Values and secrets of users never go into them; names may. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
