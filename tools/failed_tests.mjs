/**
 * What of a run of vitest failed, in few lines, from its JSON report.
 *
 *     node tools/failed_tests.mjs <report.json>
 */
import { readFileSync } from 'node:fs'

/** A message may hold a whole history. */
const MESSAGE_CHARACTERS_MAX = 1500

const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
for (const { name, status, message, assertionResults } of testResults) {
  if (status === 'passed') continue
  console.log(`${name}: ${String(message).slice(0, MESSAGE_CHARACTERS_MAX)}`)
  for (const test of assertionResults) {
    if (test.status === 'failed') console.log(`  ${test.fullName}\n${test.failureMessages.join('\n').slice(0, MESSAGE_CHARACTERS_MAX)}`)
  }
}
