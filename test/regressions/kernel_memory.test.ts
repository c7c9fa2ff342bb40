/** Defects around the memory of the kernel, each as the smallest case that showed it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FaultVfs, memory, type OpenMode, Store, type VfsFile } from '../../src/index.js'
import { openStore, TINY } from '../support/stores.js'

/** A file system that calls back before it reads from a table, or writes to one. */
class Nested extends FaultVfs {
  onTable: (() => void) | undefined

  override openSync(path: string, mode: OpenMode): VfsFile {
    const file = super.openSync(path, mode)
    if (!path.endsWith('.sst')) return file
    const call = (): void => this.onTable?.()
    return new Proxy(file, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...given: unknown[]): unknown => {
          const result: unknown = name === 'writeSync' ? (call(), undefined) : undefined
          const own: unknown = Reflect.apply(member, target, given)
          if (name === 'readSync') call()
          return result ?? own
        }
      },
    })
  }
}

/** Compresses by a third, so that tables are longer than the buffer they are written through. */
const textOf = (i: number): string => Array.from({ length: 40 }, (_, j) => Math.sin(i * 41 + j)).join() + ' words'.repeat(70)
const keyOf = (i: number): string => `k${String(i).padStart(5, '0')}`

describe('a file system that works with another store on the same thread', () => {
  test.each([1000, 60_000, 900_000])('does not touch the blocks that are on their way, with values of %i bytes', async (bytes) => {
    const audit = await openStore(memory(), { backgroundThreads: 0 })
    const vfs = new Nested(memory())
    const store = await openStore(vfs, { backgroundThreads: 0, readMode: 'sync', blockCacheSize: 0 })
    for (let i = 0; i < 1500; i++) await store.put(keyOf(i), textOf(i))
    let calls = 0
    const noise = Buffer.alloc(bytes, 7)
    vfs.onTable = () => {
      calls++
      audit.putSync('called', noise)
    }
    await store.flush()
    expect(calls).toBeGreaterThan(0)
    calls = 0
    for (let i = 0; i < 1500; i += 50) expect(store.getSync(keyOf(i))).toBe(textOf(i))
    expect(calls).toBeGreaterThan(0)
    vfs.onTable = undefined
    for (let i = 0; i < 1500; i++) expect(store.getSync(keyOf(i))).toBe(textOf(i))
  })
})

describe('where there is no address space for another kernel', () => {
  interface Programs {
    Instance: new (...given: unknown[]) => object
  }
  const { WebAssembly } = globalThis as unknown as { WebAssembly: Programs }
  const { Instance } = WebAssembly

  beforeEach(async () => {
    // The shared kernel is there.
    await (await openStore(memory(), TINY)).put('k', 'v'.repeat(1000))
    WebAssembly.Instance = vi.fn<() => object>(() => {
      throw new RangeError('WebAssembly.Instance(): Out of memory')
    }) as unknown as Programs['Instance']
  })

  afterEach(() => {
    WebAssembly.Instance = Instance
  })

  test('long values are written and read all the same', async () => {
    const vfs = memory()
    const store = await Store.open(vfs, { backgroundThreads: 0, blockCacheSize: 0 })
    const long = 'a long value '.repeat(600_000)
    await store.put('long', long)
    await store.flush()
    expect(store.getSync('long')).toBe(long)
    await store.close()
  })
})
