/** The far end of `hop`: answers each request with as many bytes as it had. A process of its own. */
import { openHopEnd } from './hop-end.ts';

process.once('message', (order: { readonly nearPort: number }) => {
  const open = async (): Promise<void> => {
    const end = await openHopEnd('far@127.0.0.1', (_partition, request, reply) => reply(request));
    end.introduce('near@127.0.0.1', order.nearPort);
    process.send?.({ port: end.port });
  };
  open().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
});
