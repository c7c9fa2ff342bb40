import { describe, expect, test } from 'vitest'
import { corruption, ioError, StoreError, systemCode } from '../../../src/util/errors.js'

const systemFailure = (code: string): Error => Object.assign(new Error(`${code}: it went wrong`), { code })

test('a store error carries code, place and cause', () => {
  const cause = new Error('below')
  const error = new StoreError('ERR_IO', 'could not', { path: '/a', offset: 7, cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'StoreError', code: 'ERR_IO', message: 'could not', path: '/a', offset: 7, cause })
  expect('cause' in new StoreError('ERR_IO', 'alone')).toBe(false)
  expect(new StoreError('ERR_IO', 'alone')).toMatchObject({ path: undefined, offset: undefined })
})

test('corruption says where', () => {
  expect(corruption('bad checksum', '/a', 12)).toMatchObject({
    code: 'ERR_CORRUPTION',
    message: 'bad checksum (/a at byte 12)',
    path: '/a',
    offset: 12,
  })
  expect(corruption('missing', '/a')).toMatchObject({ message: 'missing (/a)', offset: undefined })
  expect(corruption('bad', '/a', 0, systemFailure('EIO')).cause).toMatchObject({ code: 'EIO' })
})

describe('errors of the system', () => {
  test('keep their code, message and path', () => {
    const error = ioError(systemFailure('EACCES'), 'read', '/a')
    expect(error).toMatchObject({ code: 'ERR_IO', message: 'could not read /a: EACCES: it went wrong', path: '/a' })
    expect(systemCode(error)).toBe('EACCES')
  })

  test.each(['ENOSPC', 'EDQUOT'])('%s is a full disk', (code) => {
    expect(ioError(systemFailure(code), 'write', '/a')).toMatchObject({
      code: 'ERR_DISK_FULL',
      message: expect.stringContaining('no space left to write /a: free some space') as unknown,
    })
  })

  test('that are store errors already pass unchanged', () => {
    const error = corruption('bad', '/a')
    expect(ioError(error, 'read', '/b')).toBe(error)
  })

  test('of strange shapes are described as they are', () => {
    expect(ioError('just text', 'read', '/a').message).toBe('could not read /a: just text')
    expect(systemCode(undefined)).toBeUndefined()
    expect(systemCode(null)).toBeUndefined()
    expect(systemCode({ code: 5 })).toBeUndefined()
    expect(systemCode(new StoreError('ERR_IO', 'no cause'))).toBeUndefined()
  })
})
