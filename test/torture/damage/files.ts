/**
 * Damage to whole files: missing, empty, swapped, duplicated, of another store, replaced by folders, not readable, and names that nobody
 * knows.
 */
import { FaultVfs, memory, type MemoryVfs, Store } from '../../../src/index.js'
import { encodeCurrent } from '../../../src/version/current_file.js'
import type { DamageCase } from './examination.js'
import { DIR, type Specimen, type SpecimenFile, SPECIMEN_OPTIONS, stateAfter } from './specimen.js'
import { changeCase, prefixes } from './verdict.js'

/** All of them for one specimen. */
export function fileCases(specimen: Specimen): DamageCase[] {
  return [
    ...missingFiles(specimen),
    ...swappedFiles(specimen),
    ...duplicatedFiles(specimen),
    ...foreignFiles(specimen),
    ...wrongOnes(specimen),
  ]
}

function missingFiles(specimen: Specimen): DamageCase[] {
  return specimen.files
    .flatMap((file) => [
      changeCase(specimen, `${file.path} missing`, [{ file, content: Buffer.alloc(0) }], true),
      changeCase(specimen, `${file.path} all zeros`, [{ file, content: Buffer.alloc(file.content.length) }]),
      replacedByFolder(specimen, file),
      unreadable(specimen, file),
    ])
    .map((damage) => (damage.label.endsWith('LOCK missing') ? { ...damage, demand: 'right' as const } : damage))
}

function replacedByFolder(specimen: Specimen, file: SpecimenFile): DamageCase {
  return {
    ...caseOf(specimen, file, `a folder in place of ${file.path}`, isLive(file) ? 'error' : 'either'),
    isUnreadable: true,
    apply: (disk) => {
      disk.unlinkSync(file.path)
      disk.mkdirSync(`${file.path}/sub`)
      return disk
    },
  }
}

function unreadable(specimen: Specimen, file: SpecimenFile): DamageCase {
  return {
    ...caseOf(specimen, file, `${file.path} not readable`, isLive(file) ? 'error' : 'either'),
    isUnreadable: true,
    apply: (disk) => {
      const vfs = new FaultVfs(disk)
      vfs.addRule({ operation: 'open', path: file.path, error: 'EACCES', times: Infinity })
      return vfs
    },
  }
}

/** Every pair of live files, each under the name of the other. */
function swappedFiles(specimen: Specimen): DamageCase[] {
  const live = specimen.files.filter(isLive)
  return live.flatMap((a, i) =>
    live.slice(i + 1).map((b) => {
      const changed = [
        { file: a, content: b.content },
        { file: b, content: a.content },
      ]
      const swap = changeCase(specimen, `${a.path} and ${b.path} swapped`, changed)
      // A whole header of another log is no torn one.
      return a.kind === 'log' && b.kind === 'log' ? { ...swap, demand: 'error' as const } : swap
    }),
  )
}

function duplicatedFiles(specimen: Specimen): DamageCase[] {
  const copies: [of: string, to: string, demand: DamageCase['demand']][] = [
    ['.sst', '000700.sst', 'right'],
    ['.sst', '000002.sst', 'right'],
    ['.log', '000700.log', 'error'],
    ['.log', '000002.log', 'right'],
    ['CURRENT', 'CURRENT.tmp', 'right'],
    ['MANIFEST-000001', 'MANIFEST-000002', 'right'],
    ['MANIFEST-000001', 'CURRENT.tmp', 'right'],
  ]
  return copies.flatMap(([end, name, demand]) =>
    specimen.files
      .filter((file) => isLive(file) && file.path.endsWith(end))
      .map((file) => ({
        ...caseOf(specimen, file, `${file.path} copied to ${name}`, demand),
        apply: (disk: MemoryVfs) => {
          disk.writeFile(`${DIR}/${name}`, file.content)
          return disk
        },
      })),
  )
}

const ODD_NAMES: readonly string[] = [
  '12.sst',
  '0000012.sst',
  '000000.sst',
  '99999999999999999999.log',
  '9007199254740993.sst',
  '000012.sst.bak',
  '000012',
  'MANIFEST-1',
  'MANIFEST-000000',
  'MANIFEST-',
  'manifest-000001',
  'current',
  'CURRENT.tmp2',
  '.hidden',
  'LOCKSMITH',
  'LOCK.short',
  'lost+found',
  'é.log',
  ' 000012.log',
  '000012.log\n',
]

function foreignFiles(specimen: Specimen): DamageCase[] {
  const [file] = specimen.files as [SpecimenFile]
  const content = specimen.files.find(({ kind }) => kind === 'table')!.content
  const files = ODD_NAMES.map((name): DamageCase => ({
    ...caseOf(specimen, file, `a file ${JSON.stringify(name)}`, 'right'),
    kind: 'unused',
    apply: (disk) => {
      disk.writeFile(`${DIR}/${name}`, content)
      return disk
    },
  }))
  const folders = [...ODD_NAMES, '000701.sst', '000701.log', 'MANIFEST-000701', 'LOCK.00112233445566778899aabbccddeef0'].map(
    (name): DamageCase => {
      const isLog = name === '000701.log'
      return {
        ...caseOf(specimen, file, `a folder ${JSON.stringify(name)}`, isLog ? 'error' : 'right'),
        kind: 'unused',
        isUnreadable: isLog,
        apply: (disk) => {
          disk.mkdirSync(`${DIR}/${name}/sub`)
          return disk
        },
      }
    },
  )
  return [...files, ...folders]
}

/** Files that belong elsewhere: of another number, of another store, of another engine. */
function wrongOnes(specimen: Specimen): DamageCase[] {
  const find = (end: string): SpecimenFile => specimen.files.find((file) => isLive(file) && file.path.endsWith(end))!
  const [current, log, manifest] = [find('CURRENT'), find('.log'), find('MANIFEST-000001')]
  const other = memory()
  Store.openSync(other, SPECIMEN_OPTIONS).closeSync()
  const cases: [what: string, file: SpecimenFile, change: (disk: MemoryVfs) => void][] = [
    ['the manifest of another store', manifest, (disk) => disk.writeFile(manifest.path, other.readFile(`${DIR}/MANIFEST-000001`))],
    ['a CURRENT that names nothing', current, (disk) => disk.writeFile(current.path, encodeCurrent(7))],
    ['a CURRENT of LevelDB', current, (disk) => disk.writeFile(current.path, Buffer.from('MANIFEST-000001\n'))],
    [
      'a CURRENT that names a copy',
      current,
      (disk) => {
        disk.writeFile(`${DIR}/MANIFEST-000002`, manifest.content)
        disk.writeFile(current.path, encodeCurrent(2))
      },
    ],
    [
      'a log under another number',
      log,
      (disk) => {
        disk.writeFile(`${DIR}/000600.log`, log.content)
        disk.unlinkSync(log.path)
      },
    ],
  ]
  return cases.map(([what, file, change]) => ({
    ...caseOf(specimen, file, what, 'error'),
    apply: (disk) => {
      change(disk)
      return disk
    },
  }))
}

/** Reads that bring other bytes than those asked for: of another place in the file, of another file, or old ones. */
export function misdirectedReads(specimen: Specimen, readCount: number): DamageCase[] {
  const cases: DamageCase[] = []
  for (let nth = 1; nth <= readCount; nth++) {
    for (const shift of [-512, -128, 1, 64, 128, 512]) {
      cases.push(misdirected(specimen, nth, `${shift} bytes away`, (path, position) => [path, position + shift]))
    }
    const other = specimen.files[nth % specimen.files.length]!.path
    cases.push(
      misdirected(specimen, nth, `in ${other}`, (_, position) => [other, position]),
      misdirected(specimen, nth, 'nowhere: zeros', () => ['', 0]),
    )
  }
  return cases
}

function misdirected(
  specimen: Specimen,
  nth: number,
  what: string,
  elsewhere: (path: string, position: number) => readonly [path: string, position: number],
): DamageCase {
  const [file] = specimen.files as [SpecimenFile]
  return {
    ...caseOf(specimen, file, `read ${nth} goes ${what}`, 'either'),
    states: prefixes(specimen),
    quiet: 'unseen tail',
    apply: (disk) => {
      const vfs = new FaultVfs(disk)
      const paths = specimen.files.map(({ path }) => path)
      // One rule for each path: what a rule may change does not know whose bytes they are.
      let reads = 0
      for (const path of paths) {
        const corrupt = (bytes: Uint8Array, position: number): void => {
          if (++reads !== nth) return
          const [otherPath, otherPosition] = elsewhere(path, position)
          const source = specimen.files.find((candidate) => candidate.path === otherPath)?.content ?? Buffer.alloc(0)
          for (let i = 0; i < bytes.length; i++) bytes[i] = source[otherPosition + i] ?? 0
        }
        vfs.addRule({ operation: 'read', path, times: Infinity, corrupt })
      }
      return vfs
    },
  }
}

/** How many reads opening and reading a store takes. */
export function readsOf(specimen: Specimen): number {
  const vfs = new FaultVfs(specimen.disk.processKillClone())
  const store = Store.openSync(vfs, { ...SPECIMEN_OPTIONS, blockCacheSize: 0 })
  store.scan().toArraySync()
  const count = vfs.count('read')
  store.closeSync()
  return count
}

function isLive({ kind }: SpecimenFile): boolean {
  return kind !== 'unused' && kind !== 'lock'
}

function caseOf(
  specimen: Specimen,
  file: SpecimenFile,
  what: string,
  demand: DamageCase['demand'],
): Pick<DamageCase, 'specimen' | 'kind' | 'label' | 'states' | 'demand'> {
  const { changes, name } = specimen
  return { specimen, kind: file.kind, label: `${name}: ${what}`, states: [stateAfter(changes, changes.length)], demand }
}
