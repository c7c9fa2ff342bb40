/**
 * The worker thread's module on a file system that fails: `node:fs` is changed before the real module is loaded. The environment says
 * how, so the engine needs no door for it: `VARVE_TEST_FAULT` holds `call` (a function of `node:fs`), `error` (a code) and `while` (a file:
 * the fault lasts as long as it is there), as the query of a URL.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { systemError } from '../../../src/vfs/system_error.js'
import { REPOSITORY_URL } from '../../support/options.js'

const query = new URLSearchParams(process.env['VARVE_TEST_FAULT'])
const call = query.get('call')
const code = query.get('error')
const lasts = query.get('while')

if (call !== null && code !== null && lasts !== null) {
  const functions = fs as unknown as Record<string, (...given: unknown[]) => unknown>
  const real = functions[call]!
  const { existsSync } = fs
  functions[call] = (...given) => {
    // Of openings only those of tables that are made: the worker must be able to load its modules.
    const isConcerned = call !== 'openSync' || String(given[1]).includes('w')
    if (isConcerned && existsSync(lasts)) throw systemError(code, call, String(given[0]))
    return real(...given)
  }
  syncBuiltinESMExports()
}

await import(new URL('dist/compaction/worker.js', REPOSITORY_URL).href)
