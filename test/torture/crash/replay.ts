/**
 * A workload that goes through everything and tells, after each step, what the disk and the statistics are: for finding out whether it does
 * the same again. Also a program, so that two processes can be compared: `node replay.js SEED CODEC MODE`.
 */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { CompressionName, StoreOptions, WalSync } from '../../../src/index.js'
import { Random } from '../../../src/util/random.js'
import { Subject } from './subject.js'

const STEPS = 60

/** Hashes of all files and of the statistics after each step. */
export async function replay(seed: number, compression: CompressionName, walSync: WalSync): Promise<string[]> {
  const options: StoreOptions = { compression, walSync, walSyncInterval: 50, bloomFalsePositiveRate: 0.01, readMode: 'adaptive' }
  const subject = new Subject(options, undefined, seed)
  const random = new Random(seed)
  const steps: string[] = []
  await subject.open()
  for (let i = 0; i < STEPS; i++) {
    const name = await step(subject, random)
    steps.push(`${name} ${digest(subject)}`)
  }
  await subject.close()
  steps.push(`close ${digest(subject)}`)
  return steps
}

async function step(subject: Subject, random: Random): Promise<string> {
  const choice = random.below(20)
  const key = (): string => `key ${random.below(60)}`
  if (choice < 10) {
    const text = (): string => `${random.uint32()} ${'text '.repeat(random.below(40))}`
    await Promise.all(Array.from({ length: random.between(1, 12) }, () => subject.put(key(), text(), { sync: random.chance(0.1) })))
    return 'puts'
  }
  if (choice < 12) {
    await Promise.all([subject.increment('count'), subject.delete(key()), subject.putIfAbsent(key(), 1), subject.increment('count')])
    return 'decisions'
  }
  if (choice < 13) {
    await subject.deleteRange('key 1', 'key 3')
    return 'deleteRange'
  }
  if (choice < 15) {
    await Promise.all(Array.from({ length: 8 }, () => subject.settled(subject.store.get(key()))))
    await subject.settled(subject.store.scan({ limit: 20 }).toArray())
    return 'reads'
  }
  if (choice < 17) {
    await subject.pass(random.pick([10, 100, 1500, 3000]))
    return 'time'
  }
  if (choice < 18) {
    await subject.compact()
    return 'compact'
  }
  if (choice < 19) {
    await subject.flush()
    return 'flush'
  }
  await subject.close()
  await subject.open()
  return 'reopen'
}

function digest({ vfs, store }: Subject): string {
  const hash = createHash('sha256')
  for (const path of vfs.files()) hash.update(`${path}\0`).update(vfs.readFile(path))
  const files = hash.digest('hex').slice(0, 16)
  const stats = store.status === 'closed' ? '' : JSON.stringify(store.stats())
  return `${files} ${createHash('sha256').update(stats).digest('hex').slice(0, 16)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [seed, compression, walSync] = process.argv.slice(2)
  process.stdout.write((await replay(Number(seed), compression as CompressionName, walSync as WalSync)).join('\n'))
}
