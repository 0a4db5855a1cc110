export {
  type Channel,
  channel,
  type MessageFill,
  type MessageHandler,
  type Messenger,
  type TrafficClass,
} from './messenger.ts';
