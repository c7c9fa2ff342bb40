/** All disciplines, in the order of the summary. */
import type { Discipline } from './discipline.js'

export const disciplines: ReadonlyMap<string, Discipline> = new Map<string, Discipline>()
