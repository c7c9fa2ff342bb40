/**
 * Errors as the operating system gives them, for file systems that are made up: the simulated disk and injected faults.
 */

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'bad file descriptor',
  EBUSY: 'resource busy or locked',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'file already exists',
  EFBIG: 'file too large',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  EMFILE: 'too many open files',
  ENFILE: 'file table overflow',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  ENOTSUP: 'operation not supported',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
}

/** An error with the `code`, `syscall` and `path` that `node:fs` would give it. */
export function systemError(code: string, syscall: string, path: string): Error {
  const error = new Error(`${code}: ${TEXTS[code] ?? 'error'}, ${syscall} '${path}'`)
  return Object.assign(error, { code, syscall, path })
}
