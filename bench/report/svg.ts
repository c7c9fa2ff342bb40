/**
 * The little of SVG that charts need: marks with classes, and one style sheet that follows the reader's light or dark theme. Background is
 * none, so that the page shows through.
 */

/** Colours of up to eight series, told apart in light and dark and by most who see few colours (after Okabe and Ito). */
const SERIES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#56b4e9', '#8b6bd9', '#888888']

const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #24292f }
    .title { font-weight: 600; font-size: 14px }
    .faint { fill: #57606a; font-size: 11px }
    .grid { stroke: #d0d7de; stroke-width: 1 }
    .even { stroke: #57606a; stroke-width: 1.5 }
    .ahead { fill: #2da44e }
    .behind { fill: #d1603d }
    .target { stroke: #24292f; stroke-width: 2 }
    .line { fill: none; stroke-width: 2 }
    .strong { stroke-width: 3.5 }
${SERIES.map((colour, i) => `    .s${i} { stroke: ${colour} } .d${i} { fill: ${colour} }`).join('\n')}
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .faint { fill: #9198a1 }
      .grid { stroke: #30363d }
      .even { stroke: #9198a1 }
      .ahead { fill: #3fb950 }
      .behind { fill: #f0883e }
      .target { stroke: #e6edf3 }
    }
  `

/** A whole picture. */
export function picture(width: number, height: number, title: string, marks: readonly string[]): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escape(title)}">
  <style>${STYLE}</style>
${marks.map((mark) => `  ${mark}`).join('\n')}
</svg>
`
}

/** Words at a place; `anchor` says which end of them is there. */
export function text(x: number, y: number, words: string, kind = '', anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${kind === '' ? '' : ` class="${kind}"`}>${escape(words)}</text>`
}

/** A filled box. */
export function box(x: number, y: number, width: number, height: number, kind: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="2" class="${kind}"/>`
}

/** A straight line. */
export function rule(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}"/>`
}

/** A line through points, with a dot at each. */
export function curve(points: readonly (readonly [x: number, y: number])[], series: number, isStrong: boolean): string[] {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')
  const dots = points.map(([x, y]) => `<circle cx="${round(x)}" cy="${round(y)}" r="${isStrong ? 4 : 3}" class="d${series}"/>`)
  return [`<polyline points="${path}" class="line s${series}${isStrong ? ' strong' : ''}"/>`, ...dots]
}

function round(number: number): number {
  return Math.round(number * 10) / 10
}

function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
