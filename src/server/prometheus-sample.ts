import type { MetricValue } from 'prom-client';

/** One metric as it is at a moment. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly (MetricValue<string> & { readonly metricName?: string })[];
}

export function single(type: 'counter' | 'gauge', name: string, help: string, value: number): Sample {
  return { name, help, type, values: [{ value, labels: {} }] };
}
