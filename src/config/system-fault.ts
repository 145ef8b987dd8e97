const faults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  ERR_FS_EISDIR: 'it is a folder',
  ENOTEMPTY: 'it is a folder with something in it',
  EEXIST: 'it exists already',
  EACCES: 'this user may not do that',
  EPERM: 'this user may not do that',
  EROFS: 'it lies on a disk that is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'it is a symbolic link that leads to itself',
  EMFILE: 'this process has too many files open',
};

/** What the system said about a file, in words. */
export function systemFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return faults[code ?? ''] ?? code ?? message;
}
