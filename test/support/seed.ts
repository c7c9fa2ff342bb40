/** Seeds of random tests. A test that fails names its seed; `VARVE_SEED=<seed>` runs it again with that one. */

/** Whether the long forms of tests were asked for. */
export const IS_LONG: boolean = process.env['VARVE_TEST_LONG'] !== undefined

/** The seed given by the environment, or a new one. */
export function testSeed(): number {
  const given = process.env['VARVE_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given)
}
