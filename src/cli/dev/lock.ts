import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CaxtonError } from '../../errors.ts';

/**
 * Keeps two launchers off one cluster folder. The file lies beside the folder, which may still have to be made, and
 * names the process; a dead one’s lock is taken over. ALREADY_EXISTS.
 */
export async function takeLock(file: string): Promise<{ release(): Promise<void> }> {
  await mkdir(dirname(file), { recursive: true });
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return { release: () => rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number(await readFile(file, 'utf8').catch(() => ''));
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid))
      throw new CaxtonError('ALREADY_EXISTS', [
        `A launcher (process ${pid}) already runs this cluster; stop it first, or use --dir.`,
        // After a reboot the number may be another program’s.
        `If that process is something else, remove ${file}.`,
      ]);
    await rm(file, { force: true });
  }
  throw new CaxtonError('ALREADY_EXISTS', `The lock ${file} cannot be taken.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
