/** The same interface over the network. Start a node first: `npx hale start`. */
import { isHaleError, open } from 'hale/client';

await using db = await open('hale://127.0.0.1:8087');
const carts = db.bucket<string[]>('carts', {
  // What two people put in at once is all in.
  merge: (siblings) => [...new Set(siblings.flatMap((sibling) => sibling.value))],
});

await carts.update('cart-1', (items = []) => [...items, 'tea']);
console.log(await carts.get('cart-1'));

try {
  await carts.put('cart-1', [], { ifAbsent: true, signal: AbortSignal.timeout(1000) });
} catch (error) {
  if (!isHaleError(error, 'exists')) throw error;
  console.log('there already');
}
