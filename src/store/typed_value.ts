/**
 * The typed pairs of the store (`putInt64`, `getInt64` …) as one number, so that the write path is one function for all of them.
 */
import {
  TAG_BOOLEAN,
  TAG_BYTES,
  TAG_FLOAT64,
  TAG_INT64,
  TAG_RECORD,
  TAG_STRING,
  type RecordValue,
  type Value,
  valueByteLengthMax,
  writeBoolean,
  writeBytes,
  writeFloat64,
  writeInt64,
  writeRecord,
  writeString,
  writeValue,
} from '../codec/value.js'

/** A value's tag, or 0 for "by the type of what is given". */
export type ValueType = number

/** The type follows from the JavaScript value. */
export const VALUE_TYPE_ANY = 0

/** Upper bound of the bytes that `writeTyped` will write. */
export function typedByteLengthMax(value: unknown, type: ValueType): number {
  if (type === TAG_INT64 || type === TAG_FLOAT64 || type === TAG_BOOLEAN) return 9
  return valueByteLengthMax(value as Value)
}

/**
 * Writes tag and payload of `value` at `offset`; returns the position after it. Call `typedByteLengthMax` for the same value just before.
 *
 * @throws StoreError `ERR_INVALID_VALUE` when the value is not of the type.
 */
export function writeTyped(target: Buffer, offset: number, value: unknown, type: ValueType): number {
  switch (type) {
    case TAG_STRING:
      return writeString(target, offset, value as string)
    case TAG_INT64:
      return writeInt64(target, offset, value as bigint | number)
    case TAG_FLOAT64:
      return writeFloat64(target, offset, value as number)
    case TAG_BOOLEAN:
      return writeBoolean(target, offset, value as boolean)
    case TAG_BYTES:
      return writeBytes(target, offset, value as Uint8Array)
    case TAG_RECORD:
      return writeRecord(target, offset, value as RecordValue)
    default:
      return writeValue(target, offset, value as Value)
  }
}
