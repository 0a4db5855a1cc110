/** What the configuration says to the HTTP server that the process brings along. */
import type { Configuration } from '../config/index.ts';

export interface HttpServerLimits {
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly pipelinedMax: number;
  readonly bodiesBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly stalledWriteMs: number;
}

export function httpServerLimits(configuration: Configuration): HttpServerLimits {
  return {
    connectionsMax: configuration['http.connections.maximum'],
    headerBytesMax: configuration['http.headers.maximum'],
    pipelinedMax: configuration['http.pipeline.maximum'],
    bodiesBytesMax: configuration['http.bodies.maximum'],
    headersTimeoutMs: configuration['http.headers_timeout'],
    requestTimeoutMs: configuration['http.receive_timeout'],
    idleTimeoutMs: configuration['http.keep_alive'],
    stalledWriteMs: configuration['http.stalled_write_timeout'],
  };
}
