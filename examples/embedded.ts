/** A database inside this process: no server, no ports. Run it twice: the count goes on. */
import { open } from 'hale';
import { z } from 'zod';

const visitor = z.object({ name: z.string(), visits: z.number().int() });

await using db = await open('./example-data');
const visitors = db.bucket('visitors', { schema: visitor });

await visitors.update('ada', (now) => ({ name: 'Ada', visits: (now?.visits ?? 0) + 1 }));
console.log(await visitors.get('ada'));

for await (const key of visitors.keys()) console.log('stored:', key);
