export { ignoredChanges, type StoredChanges } from './stored-changes.ts';
