export { type GuestHandler, GuestRefusedError } from './guest-door.ts';
export { type PeerIdentity, protocolVersions, type Refusal, type RefusalCode } from './handshake.ts';
export { InsecureListenerError, type ListenerSecurity, listenerRefusal } from './listener-refusal.ts';
export {
  type Channel,
  channel,
  type MessageFill,
  type MessageHandler,
  type Messenger,
  type TrafficClass,
  tooLargeForMessage,
} from './messenger.ts';
export { type PeerMember, TcpMessenger, type TcpMessengerOptions } from './tcp-messenger.ts';
export { trafficClasses } from './traffic-class.ts';
export { type TransportLimits, transportLimits } from './transport-limits.ts';
export { noTransportObserver, type TransportObserver } from './transport-observer.ts';
