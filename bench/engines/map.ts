/** A `Map`: unordered, gone at exit. It shows what the workloads themselves cost. */
import type { Engine, OpenEngine } from './engine.js'

async function open(): Promise<OpenEngine> {
  const map = new Map<string, Buffer>()
  return {
    put: (key, value) => map.set(key, value),
    putBatch: (entries) => {
      for (const [key, value] of entries) map.set(key, value)
    },
    get: (key) => map.get(key),
    getSync: (key) => map.get(key),
    scan: () => {
      let count = 0
      for (const [key] of map) if (key !== '') count++
      return count
    },
    compact: () => undefined,
    close: () => map.clear(),
  }
}

export const engine: Engine = { version: process.versions.node, durability: 'none', isPersistent: false, open }
