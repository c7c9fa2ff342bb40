// Compiles the kernel and writes it to `src/codec/kernel_program.ts`.
//
//   npm run kernel              installs the compiler and compiles
//   npm run kernel -- --check   only tells whether the committed program is what its source compiles to; exits with 1 when not
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { main } from 'assemblyscript/asc'

const root = new URL('..', import.meta.url)
const sources = new URL('kernel/assembly/', root)
const output = new URL('src/codec/kernel_program.ts', root)

const OPTIONS = ['--optimizeLevel', '3', '--shrinkLevel', '0', '--runtime', 'stub', '--noAssert', '--initialMemory', '64']

/** SHA-256 of the sources, so that a test without the compiler sees when the program is older than they are. */
function digestOfSources() {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources).sort()) hash.update(`${name}\n`).update(readFileSync(new URL(name, sources)))
  return hash.digest('hex')
}

async function compile() {
  const written = new Map()
  const { error, stderr } = await main(['index.ts', '--outFile', 'kernel.wasm', ...OPTIONS], {
    readFile: (name, base) => {
      const path = new URL(name, base === '.' ? sources : new URL(`${base}/`, sources))
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return null
      }
    },
    writeFile: (name, contents) => void written.set(name, contents),
    listFiles: () => [],
  })
  const warnings = stderr.toString()
  if (error !== null || warnings !== '') throw new Error(`${warnings}${error?.message ?? ''}`)
  return Buffer.from(written.get('kernel.wasm'))
}

const program = (await compile()).toString('base64')
const lines = program.match(/.{1,120}/g).map((line) => `  '${line}',`)
const byteLength = Buffer.from(program, 'base64').length
const text = `/**
 * The kernel, compiled from \`kernel/assembly\` by \`npm run kernel\`: a WebAssembly module of ${byteLength} bytes, in Base64. Do not edit.
 *
 * SHA-256 of the sources: ${digestOfSources()}
 */

/** The module. */
export const KERNEL_PROGRAM: string = [
${lines.join('\n')}
].join('')
`

if (process.argv.includes('--check')) {
  if (readFileSync(output, 'utf8') !== text) {
    console.error(`${fileURLToPath(output)} is not what kernel/assembly compiles to: npm run kernel`)
    process.exitCode = 1
  }
} else {
  writeFileSync(output, text)
}
