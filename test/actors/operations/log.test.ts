import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const module = new URL('../../../src/actors/operations/log.ts', import.meta.url).href;

/** What a process writes that logs this, on each stream. */
const written = (pretty: boolean, statements: string): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [
    '--input-type=module',
    '-e',
    `const { createLog } = await import(${JSON.stringify(module)});
     const log = createLog({ level: 'info', pretty: ${pretty} }); ${statements}`,
  ]);

describe('the log of operations', () => {
  it.each([true, false])('goes to stderr from its level on, stdout stays free (pretty: %s)', async (pretty) => {
    const { stdout, stderr } = await written(pretty, `log.info({ a: 1 }, 'told'); log.debug('too fine');`);
    expect(stdout).toBe('');
    expect(stderr).toContain('told');
    expect(stderr).not.toContain('too fine');
  });

  it('never writes keys and tokens', async () => {
    const { stderr } = await written(
      false,
      `log.info({ token: 'S1', request: { authorization: 'S2', apiKey: 'S3' }, tls: { identity: { keyPem: 'S4' } } }, 'm');`,
    );
    expect(JSON.parse(stderr)).toMatchObject({ token: '[secret]', request: { apiKey: '[secret]' } });
    expect(stderr).not.toMatch(/S[1-4]/);
  });
});
