/** Data types, a secondary index and MapReduce, without a server: a node in memory, gone when the program ends. */
import { counter, flag, map, register, set, testCluster } from 'hale';

await using cluster = await testCluster({
  // In a database that other programs share: `hale bucket-type create maps '{"props":{"datatype":"map"}}'`.
  bucketTypes: { maps: { datatype: 'map' }, counters: { datatype: 'counter' } },
});
const { db } = cluster;

const profiles = db.map('profiles', {
  fields: {
    name: register(),
    visits: counter(),
    interests: set(),
    isMember: flag(),
    address: map({ city: register() }),
  },
});
// Two writers at once: both count, and neither sees siblings.
await Promise.all([
  profiles.update('ada', { name: 'Ada', visits: { increment: 1 }, interests: { add: ['engines'] } }),
  profiles.update('ada', { visits: { increment: 1 }, isMember: true, address: { city: 'London' } }),
]);
await profiles.update('ada', { interests: { add: ['poetry'], remove: ['engines'] } });
const ada = await profiles.get('ada');
console.log(ada);
if (ada?.visits !== 2 || ada.interests.has('engines')) throw new Error('a change was lost');

const pageViews = db.counter('page-views');
await pageViews.increment('/home');
await pageViews.increment('/home', 2);
console.log('views:', await pageViews.get('/home'));

interface Order {
  readonly customer: string;
  readonly cents: number;
}
const orders = db.bucket<Order>('orders', { indexes: (order) => ({ customer_bin: order.customer }) });
await orders.add({ customer: 'ada', cents: 1200 });
await orders.add({ customer: 'ada', cents: 800 }, { ttlSeconds: 3600 });
await orders.add({ customer: 'bob', cents: 500 });

for await (const { key } of orders.query('customer_bin', 'ada')) console.log('order of Ada:', key);

// The function runs at the node: it sees its arguments, and nothing of this program.
const [total] = await orders
  .mapReduce({ index: 'customer_bin', equals: 'ada' })
  .map((order) => [order.cents])
  .sum()
  .run();
console.log('Ada has spent', total);
if (total !== 2000) throw new Error('an order was lost');
