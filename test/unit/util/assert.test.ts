import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { assert } from '../../../src/util/assert.js'

test('a condition that holds passes', () => {
  expect(assert(true, 'nothing')).toBeUndefined()
})

test('a broken one throws an assertion error that names it, with a stack that begins at the caller', () => {
  let failure: unknown
  try {
    assert(Number('1') === 2, 'one is two')
  } catch (error) {
    failure = error
  }
  expect(failure).toBeInstanceOf(AssertionError)
  expect((failure as Error).message).toBe('invariant broken: one is two')
  expect((failure as Error).stack?.split('\n')[1]).toContain('assert.test')
})
