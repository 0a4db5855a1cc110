/** Protocols by name. */
import { etcd, nats } from './peer-protocols.ts';
import { http, type Protocol, type ProtocolName, pb, redis } from './protocol.ts';

export const protocols: Readonly<Record<ProtocolName, Protocol>> = { pb, http, redis, etcd, nats };
