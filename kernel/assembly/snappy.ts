/**
 * Snappy, the raw block format (https://github.com/google/snappy/blob/main/format_description.txt): the length of the raw block as a
 * varint, then literals and copies. The low two bits of an element's first byte are its type:
 *
 * | type | element | length | offset |
 * |---|---|---|---|
 * | 0 | literal | upper six bits + 1; from 60 on they count the bytes that hold length − 1 | |
 * | 1 | copy | three bits + 4 | eleven bits |
 * | 2 | copy | six bits + 1 | two bytes |
 * | 3 | copy | six bits + 1 | four bytes |
 *
 * Bytes are moved 16 at a time, past the end of what is to be moved: behind source and target there must be `SLACK_BYTES`, of which the
 * content does not matter. Everything else is checked: no damaged block reads or writes outside of the places that the caller named.
 */

/** Bytes that must be readable behind a source and writable behind a target. */
export const SLACK_BYTES: u32 = 64

/** Bytes of the table that `compress` works with. */
export const COMPRESS_TABLE_BYTES: u32 = 32_768

/** The source is compressed in fragments of at most so many bytes, so that a place in one fits 16 bits. */
const FRAGMENT_BYTES: usize = 65_536

/** No match begins in the last bytes of a fragment: there 8 bytes could not be read at once. */
const INPUT_MARGIN: usize = 15

/**
 * Decodes the elements in [`source`, `sourceEnd`), which begin behind the varint, to [`target`, `targetEnd`). Returns 1 when they fill it
 * exactly, 0 when they are damaged.
 */
export function uncompress(source: usize, sourceEnd: usize, target: usize, targetEnd: usize): i32 {
  const targetStart = target
  while (source < sourceEnd) {
    const tag = load<u8>(source++) as u32
    const type = tag & 3
    if (type === 0) {
      let length = (tag >> 2) as usize
      if (length >= 60) {
        const lengthBytes = length - 59
        if (lengthBytes > sourceEnd - source) return 0
        length = (load<u32>(source) & (0xffffffff >> (32 - 8 * (lengthBytes as u32)))) as usize
        source += lengthBytes
      }
      // Without a sum: length + 1 overflows for 2^32.
      if (length >= sourceEnd - source || length >= targetEnd - target) return 0
      length++
      moveApart(target, source, length)
      source += length
      target += length
      continue
    }
    let length: usize
    let offset: usize
    if (type === 1) {
      if (source >= sourceEnd) return 0
      length = ((tag >> 2) & 7) + 4
      offset = ((tag >> 5) << 8) | (load<u8>(source) as u32)
      source++
    } else {
      const offsetBytes: usize = type === 2 ? 2 : 4
      if (offsetBytes > sourceEnd - source) return 0
      length = (tag >> 2) + 1
      offset = type === 2 ? (load<u16>(source) as usize) : (load<u32>(source) as usize)
      source += offsetBytes
    }
    if (offset === 0 || offset > target - targetStart || length > targetEnd - target) return 0
    if (offset >= 16) moveApart(target, target - offset, length)
    else repeat(target, offset, length)
    target += length
  }
  return target === targetEnd ? 1 : 0
}

/** Moves `length` bytes, and up to 31 more, to a place that is at least 16 bytes behind `from`, or before it. */
function moveApart(to: usize, from: usize, length: usize): void {
  const end = to + length
  do {
    store<u64>(to, load<u64>(from))
    store<u64>(to, load<u64>(from, 8), 8)
    to += 16
    from += 16
  } while (to < end)
}

/** Repeats the last `period` bytes before `to`, fewer than 16, until `length` bytes are written, and up to 15 more. */
function repeat(to: usize, period: usize, length: usize): void {
  const end = to + length
  const from = to - period
  // Each step doubles what is known to repeat, until 8 bytes at a time never read what they have not written.
  while (period < 8) {
    store<u64>(to, load<u64>(from))
    to += period
    period += period
  }
  while (to < end) {
    store<u64>(to, load<u64>(to - period))
    to += 8
  }
}

/**
 * Compresses [`source`, `sourceEnd`) to `target`, where there must be room for `32 + n + n / 6` bytes. `table` is the address of
 * `COMPRESS_TABLE_BYTES`. Returns the end of what was written.
 *
 * Greedy matching over a hash table of the last place of each 4 bytes, with growing steps through what does not compress, as in the
 * original (`CompressFragment`).
 */
export function compress(source: usize, sourceEnd: usize, target: usize, table: usize): usize {
  let length = (sourceEnd - source) as u32
  for (; length >= 0x80; length >>= 7) store<u8>(target++, (length as u8) | 0x80)
  store<u8>(target++, length as u8)
  while (source < sourceEnd) {
    const fragmentEnd = sourceEnd - source > FRAGMENT_BYTES ? source + FRAGMENT_BYTES : sourceEnd
    target = compressFragment(source, fragmentEnd, target, table)
    source = fragmentEnd
  }
  return target
}

function compressFragment(start: usize, end: usize, target: usize, table: usize): usize {
  if (end - start < INPUT_MARGIN) return writeLiteral(target, start, end - start)
  const tableBits = tableBitsFor((end - start) as u32)
  const shift = 32 - tableBits
  memory.fill(table, 0, (2 as usize) << tableBits)
  const limit = end - INPUT_MARGIN
  let literalStart = start
  let at = start + 1
  let nextHash = hash(load<u32>(at), shift)
  while (true) {
    let skip: u32 = 32
    let next = at
    let candidate: usize
    do {
      at = next
      const slot = table + 2 * (nextHash as usize)
      next = at + (skip++ >> 5)
      if (next > limit) return writeLiteral(target, literalStart, end - literalStart)
      nextHash = hash(load<u32>(next), shift)
      candidate = start + (load<u16>(slot) as usize)
      store<u16>(slot, (at - start) as u16)
    } while (load<u32>(at) !== load<u32>(candidate))
    target = writeLiteral(target, literalStart, at - literalStart)
    do {
      const matched: usize = 4 + sharedBytes(candidate + 4, at + 4, end)
      target = writeCopy(target, (at - candidate) as u32, matched as u32)
      at += matched
      literalStart = at
      if (at >= limit) return literalStart < end ? writeLiteral(target, literalStart, end - literalStart) : target
      store<u16>(table + 2 * (hash(load<u32>(at - 1), shift) as usize), (at - start - 1) as u16)
      const slot = table + 2 * (hash(load<u32>(at), shift) as usize)
      candidate = start + (load<u16>(slot) as usize)
      store<u16>(slot, (at - start) as u16)
    } while (load<u32>(at) === load<u32>(candidate))
    at++
    nextHash = hash(load<u32>(at), shift)
  }
}

/** A table of about as many places as there are bytes, at least 256 and at most 16,384. */
function tableBitsFor(length: u32): u32 {
  const bits: u32 = 32 - clz<u32>(length - 1)
  return bits < 8 ? 8 : bits > 14 ? 14 : bits
}

function hash(word: u32, shift: u32): u32 {
  return (word * 0x1e35a7bd) >> shift
}

/** How many bytes from `a` and from `b` on are equal; `b` is behind `a` and ends at `end`. */
function sharedBytes(a: usize, b: usize, end: usize): usize {
  const start = b
  while (b + 8 <= end) {
    const difference = load<u64>(a) ^ load<u64>(b)
    if (difference !== 0) return b - start + ((ctz<u64>(difference) >> 3) as usize)
    a += 8
    b += 8
  }
  while (b < end && load<u8>(a) === load<u8>(b)) {
    a++
    b++
  }
  return b - start
}

function writeLiteral(target: usize, from: usize, length: usize): usize {
  const stored = (length - 1) as u32
  if (stored < 60) {
    store<u8>(target++, stored << 2)
  } else if (stored < 0x100) {
    store<u8>(target, 60 << 2)
    store<u8>(target, stored, 1)
    target += 2
  } else {
    store<u8>(target, 61 << 2)
    store<u16>(target, stored, 1)
    target += 3
  }
  moveApart(target, from, length)
  return target + length
}

/** Copies of at most 64 bytes, and never one of fewer than 4, so that the last one can have the short form. */
function writeCopy(target: usize, offset: u32, length: u32): usize {
  while (length >= 68) {
    target = writeLongCopy(target, offset, 64)
    length -= 64
  }
  if (length > 64) {
    target = writeLongCopy(target, offset, 60)
    length -= 60
  }
  if (length >= 12 || offset >= 2048) return writeLongCopy(target, offset, length)
  store<u8>(target, ((offset >> 8) << 5) | ((length - 4) << 2) | 1)
  store<u8>(target, offset, 1)
  return target + 2
}

function writeLongCopy(target: usize, offset: u32, length: u32): usize {
  store<u8>(target, ((length - 1) << 2) | 2)
  store<u16>(target, offset, 1)
  return target + 3
}
