import { defineKey } from '../key-definition.ts';
import { word } from '../value-type.ts';

export const loggerKeys = {
  'logger.level': defineKey({
    type: word('debug', 'info', 'warning', 'error', 'none'),
    default: 'info',
    doc: 'The least severe messages that are logged.',
    flag: { name: '--log-level', placeholder: 'LEVEL' },
  }),
  'logger.format': defineKey({
    type: word('auto', 'text', 'json'),
    default: 'auto',
    doc: 'How messages are written: lines of text for people, JSON for programs; "auto" is text on a terminal and JSON elsewhere.',
  }),
} as const;
