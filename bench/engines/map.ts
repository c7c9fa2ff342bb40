/** A `Map`: unordered, gone at exit. It shows what the workloads themselves cost. */
import type { Engine, OpenEngine } from './engine.js'

async function open(): Promise<OpenEngine> {
  const map = new Map<string, Buffer>()
  return {
    put: (key, value) => map.set(key, value),
    putBatch: (entries) => {
      for (const [key, value] of entries) map.set(key, value)
    },
    deleteBatch: (keys) => {
      for (const key of keys) map.delete(key)
    },
    get: (key) => map.get(key),
    getSync: (key) => map.get(key),
    getMany: (keys) => keys.map((key) => map.get(key)),
    // In the order of insertion: it has no other.
    scan: (visit) => {
      for (const [key, value] of map) visit(key, value)
    },
    iterate: async (visit) => {
      for await (const [key, value] of map) visit(key, value)
    },
    scanPrefix: () => {
      throw new Error('a Map has no order')
    },
    compact: () => undefined,
    close: () => map.clear(),
  }
}

export const engine: Engine = {
  version: process.versions.node,
  settings: 'what the workload itself costs',
  durability: { os: 'none' },
  isPersistent: false,
  hasSyncGet: true,
  open,
}
