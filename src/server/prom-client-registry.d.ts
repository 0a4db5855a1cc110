/** The part of `prom-client` that writes its text format: a file of its own, of which the package declares the class only. */
declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client';

  export = Registry;
}
