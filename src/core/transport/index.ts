export {
  type Channel,
  channel,
  type DisconnectReason,
  type MessageFill,
  type MessageHandler,
  type Messenger,
  type TrafficClass,
} from './messenger.ts';
