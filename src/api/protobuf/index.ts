export {
  type PbObserver,
  PbService,
  type PbServices,
  servePbConnection,
  silentPbObserver,
} from './pb-service.ts';
