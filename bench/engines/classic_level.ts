/** classic-level (LevelDB), with its defaults: snappy, 4 MB write buffer, bloom filter. */
import { type Engine, loadPeer, type OpenEngine, type OpenOptions, versionIn } from './engine.js'

interface LevelIterator {
  nextv(size: number): Promise<[string, Buffer][]>
  close(): Promise<void>
}

interface Level {
  open(): Promise<void>
  close(): Promise<void>
  put(key: string, value: Buffer): Promise<void>
  get(key: string): Promise<Buffer | undefined>
  getSync(key: string): Buffer | undefined
  batch(operations: readonly { type: 'put'; key: string; value: Buffer }[]): Promise<void>
  iterator(options: { highWaterMarkBytes: number }): LevelIterator
  compactRange(start: string, end: string): Promise<void>
}

interface ClassicLevel {
  readonly ClassicLevel: new (dir: string, options: Record<string, unknown>) => Level
}

async function scan(level: Level): Promise<number> {
  const iterator = level.iterator({ highWaterMarkBytes: 256 * 1024 })
  let count = 0
  for (;;) {
    const entries = await iterator.nextv(1000)
    if (entries.length === 0) break
    for (const [key] of entries) if (key !== '') count++
  }
  await iterator.close()
  return count
}

async function open({ dir, cacheBytes, lowMemory = false }: OpenOptions): Promise<OpenEngine> {
  const { ClassicLevel } = loadPeer('classic-level') as ClassicLevel
  const cacheSize = lowMemory ? 1024 * 1024 : cacheBytes
  const level = new ClassicLevel(dir, { keyEncoding: 'utf8', valueEncoding: 'buffer', ...(cacheSize === undefined ? {} : { cacheSize }) })
  await level.open()
  return {
    put: (key, value) => level.put(key, value),
    putBatch: (entries) => level.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    get: (key) => level.get(key),
    getSync: (key) => level.getSync(key),
    scan: () => scan(level),
    compact: () => level.compactRange('\0', '\u{10ffff}'),
    close: () => level.close(),
  }
}

export const engine: Engine = {
  version: versionIn('bench/peers/node_modules/classic-level'),
  durability: 'sync: false',
  isPersistent: true,
  open,
}
