export { createHttpHandler, handleHttp } from './handle-http.ts';
export type { HttpLimits, HttpServices } from './http-services.ts';
export { isLoopback } from './request-origin.ts';
export { linkedObjectsMax } from './walk-links.ts';
