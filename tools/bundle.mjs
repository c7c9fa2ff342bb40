// Bundles the library into `dist`, beside the declarations that tsc writes there.
//
//   node tools/bundle.mjs
//
// Why bundled: the 120 modules one by one take Node four times as long to load as a few large ones, and every process and every worker
// thread has to.
//
// What comes out: one file an entry of the package, and chunks of what entries share, so that a class is one and the same wherever it is
// imported from. `background.js` is all that a worker thread runs, `foreground.js` the rest. Both lie beside the worker's module, because
// `new URL('./worker.js', import.meta.url)` is looked up from the chunk that holds it; the same expression is right in the sources, and is
// what other people's bundlers look for. Not minified: where source maps are off, stack traces and debuggers show this code.
//
// Tried and lost: verify, repair and destroy in chunks that are loaded on demand. The files cost what their 75 kB had.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

/**
 * Writes what is beyond ASCII as escapes: one letter beyond Latin-1, and V8 keeps all of a chunk in two bytes a letter. Only literals hold
 * such letters, because no comments are kept.
 */
const inAscii = {
  name: 'in ascii',
  generateBundle(_, files) {
    for (const file of Object.values(files)) {
      if (file.type === 'chunk') file.code = file.code.replace(/[\u0080-\uffff]/g, escaped)
    }
  },
}

function escaped(letter) {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const bundle = await rolldown({
  cwd: root,
  input: {
    index: 'src/index.ts',
    'adapters/level': 'src/adapters/level.ts',
    'compaction/worker': 'src/compaction/worker.ts',
  },
  platform: 'node',
  tsconfig: join(root, 'tsconfig.json'),
  external: [/^node:/, 'abstract-level'],
  transform: { target: 'es2022' },
  plugins: [inAscii],
  onLog(level, log) {
    if (level === 'warn') throw new Error(log.message)
  },
})
const { output } = await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: ({ moduleIds }) => `compaction/${moduleIds.some((id) => /store.store\.ts$/.test(id)) ? 'foreground' : 'background'}.js`,
  minifyInternalExports: false,
  comments: { jsdoc: false },
  sourcemap: true,
  // The package holds the sources.
  sourcemapExcludeSources: true,
})
await bundle.close()

// What an earlier build left would be published, too.
const written = new Set(output.map(({ fileName }) => join(dist, fileName)))
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (/\.js(\.map)?$/.test(entry.name) && !written.has(path)) rmSync(path)
}
