/**
 * varve: an embeddable, ordered, durable key-value store for Node.js.
 *
 * ```ts
 * import { Store } from 'varve'
 *
 * const store = await Store.open('./data')
 * await store.put('user:1', { name: 'Ada', age: 36 })
 * for (const [key, value] of store.scanPrefix('user:')) console.log(key, value)
 * await store.close()
 * ```
 *
 * @packageDocumentation
 */
export type { CompressionName } from './codec/compression.js'
export type { Key } from './codec/key.js'
export type { JsonValue, RecordValue, Value } from './codec/value.js'
export type { MaintenanceOptions } from './maintenance/options.js'
export type { RepairOptions } from './maintenance/repair.js'
export type { RepairedFile, RepairedFileFate, RepairReport } from './maintenance/repair_report.js'
export type { VerifyOptions } from './maintenance/verify.js'
export type {
  VerifiedFile,
  VerifiedFileKind,
  VerifiedFileState,
  VerifiedLevel,
  VerifyProblem,
  VerifyProgress,
  VerifyReport,
} from './maintenance/verify_report.js'
export { Batch, type BatchOperation, type DeleteOperation, type PutOperation, type WriteOptions } from './store/batch.js'
export type { StallStats } from './store/back_pressure.js'
export type {
  BackgroundErrorEvent,
  CompactionEvent,
  DiskFullEvent,
  FlushEvent,
  LeakEvent,
  RecoveryEvent,
  StallEndEvent,
  StallEvent,
  StoreEvents,
  WarningEvent,
} from './store/events.js'
export {
  defaultOptions,
  highPerformanceOptions,
  lowMemoryOptions,
  type ReadMode,
  type StoreOptions,
  type WalSync,
} from './store/options.js'
export { Reader, type ReadOptions } from './store/reader.js'
export { type KeyRange, Scan, type ScanOptions } from './store/scan.js'
export { Snapshot } from './store/snapshot.js'
export type { LevelStats, OpenReaderStats, StoreStats, StoreStatus } from './store/stats.js'
export { type ByteKeyOptions, Store } from './store/store.js'
export { type Clock, ManualClock, type Timer } from './util/clock.js'
export { StoreError, type StoreErrorCode, type StoreErrorDetails } from './util/errors.js'
export { type FaultHandle, type FaultOperation, type FaultRule, FaultVfs } from './vfs/fault.js'
export type { StoreLocation } from './vfs/location.js'
export { memory, MemoryVfs, type MutationKind } from './vfs/memory.js'
export type { ProcessIdentity } from './vfs/process_identity.js'
export type { CrashOptions, PageFate } from './vfs/survival.js'
export type { OpenMode, Vfs, VfsFile, VfsStat, WorkerVfsSpec } from './vfs/vfs.js'
