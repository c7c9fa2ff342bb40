/** What an application's compiler is told: keys and values have the types of the database, or of the encodings of a call. */
import type { AbstractSublevel } from 'abstract-level'
import { expect, expectTypeOf, test } from 'vitest'
import { type LevelOptions, VarveLevel } from '../../src/adapters/level.js'
import { memory } from '../../src/index.js'

test('keys and values have the types of the database', async () => {
  const options: LevelOptions<string, number> = { valueEncoding: 'json', walSync: 'os', blockCacheSize: 0 }
  const db = new VarveLevel<string, number>(memory(), options)
  await db.put('a', 1, { sync: true })
  await db.batch().put('b', 2).write({ sync: true })
  await db.batch([{ type: 'put', key: 'c', value: 3 }], { sync: true })
  // @ts-expect-error: the values of this database are numbers
  await db.put('d', '4')

  expectTypeOf(db.getSync('a')).toEqualTypeOf<number | undefined>()
  expectTypeOf(await db.getMany(['a'])).toEqualTypeOf<(number | undefined)[]>()
  expectTypeOf(await db.iterator({ highWaterMarkBytes: 1, fillCache: false }).all()).toEqualTypeOf<[string, number][]>()
  expectTypeOf(await db.keys().next()).toEqualTypeOf<string | undefined>()
  expectTypeOf(await db.values({ reverse: true }).nextv(2)).toEqualTypeOf<number[]>()
  for await (const [key, value] of db.iterator()) expectTypeOf([key, value] as const).toEqualTypeOf<readonly [string, number]>()
  expect(await db.values().all()).toEqual([1, 2, 3, '4'])
  await db.close()
})

test('a call, and a sublevel, may say otherwise', async () => {
  const db = new VarveLevel(memory())
  await db.put<string, Buffer>('a', Buffer.from('x'), { valueEncoding: 'buffer' })
  expectTypeOf(await db.get<string, Buffer>('a', { valueEncoding: 'buffer' })).toEqualTypeOf<Buffer | undefined>()
  const sublevel = db.sublevel<number, object>('s', { keyEncoding: 'json', valueEncoding: 'json' })
  expectTypeOf(sublevel).toExtend<AbstractSublevel<typeof db, string | Buffer | Uint8Array, number, object>>()
  await sublevel.put(1, { b: 2 })

  expect(await db.keys().all()).toEqual(['!s!1', 'a'])
  await db.close()
})
