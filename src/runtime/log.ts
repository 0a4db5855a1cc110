/**
 * Logs over pino: one JSON object a line, or lines for people when the stream is a terminal.
 * Writing is synchronous, so that the line before a crash is not lost.
 */
import { pino } from 'pino';
import type { Log, LogFields } from '../environment/index.ts';
import { HumanLogStream } from './human-log-stream.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: for people if the stream is a terminal, JSON otherwise. */
  readonly format: 'auto' | 'human' | 'json';
  /** 2, standard error, unless given. */
  readonly fileDescriptor?: number;
  /** Fields of every line, such as the node's name. */
  readonly fields?: LogFields;
}

export function openLog(options: LogOptions): Log {
  const fileDescriptor = options.fileDescriptor ?? 2;
  const destination = pino.destination({ dest: fileDescriptor, sync: true });
  const terminal = fileDescriptor === 1 ? process.stdout : process.stderr;
  const isTerminal = fileDescriptor <= 2 && terminal.isTTY === true;
  const isHuman = options.format === 'human' || (options.format === 'auto' && isTerminal);
  const isColoured = isTerminal && !process.env.NO_COLOR;
  const stream = isHuman ? new HumanLogStream((line) => destination.write(line), isColoured) : destination;
  const logger = pino(
    {
      level: options.level,
      base: options.fields ?? {},
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    debug: (message, fields) => logger.debug(fields, message),
    info: (message, fields) => logger.info(fields, message),
    warn: (message, fields) => logger.warn(fields, message),
    error: (message, fields) => logger.error(fields, message),
  };
}

/** For embedding applications that keep their own logs, and for tests. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
