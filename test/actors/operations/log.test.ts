import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createApiKey } from '../../../src/crypto/api-key.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';

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

  it.each([true, false])(
    'takes what somebody threw, whatever it is, and no more of it than fits (pretty: %s)',
    async (pretty) => {
      const { stderr } = await written(
        pretty,
        `const trap = () => { throw new Error('a trap') };
       log.error({ err: new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap }) }, 'one');
       log.error({ err: Object.defineProperty(new Error('x'), 'extra', { get: trap, enumerable: true }) }, 'two');
       log.error({ err: new Error('x'.repeat(1_000_000), { cause: new Error('y'.repeat(1_000_000)) }) }, 'three');
       log.error({ err: undefined }, 'four');
       log.error({ err: Object.assign(new Error('the last'), { code: 'E_LAST' }) }, 'five');`,
      );
      for (const told of ['one', 'cannot be shown', 'two', 'three', 'yyy', 'four', 'five', 'the last', 'E_LAST'])
        expect(stderr).toContain(told);
      expect(stderr.length).toBeLessThan(100_000);
    },
  );

  const names = ['key', 'apiKey', 'token', 'authorization', 'password', 'secret', 'capability', 'privateKey', 'keyPem'];

  it.each([true, false])('never writes what stands under the name of a secret (pretty: %s)', async (pretty) => {
    const nested = names.map((name, i) => ({
      [name]: `S1-${i}`,
      a: {
        [name]: `S2-${i}`,
        b: { [name]: `S3 \\"${i}`, c: { [name]: { S4: i }, d: { e: [{ [name]: `S5-${i}` }] } } },
      },
    }));
    const statements = nested.map((fields) => `log.info(${JSON.stringify(fields)}, 'told');`).join('\n');
    const { stderr } = await written(
      pretty,
      `${statements} log.info({ Authorization: 'S6', error: { headers: { Authorization: 'S7' } }, aside: 'kept' }, 'm');`,
    );
    expect(stderr).not.toMatch(/S[1-7]/);
    expect(stderr.match(/told/g)).toHaveLength(names.length);
    expect(stderr).toContain('kept');
    for (const name of names) expect(stderr).toMatch(new RegExp(`${name}"?: ?"\\[secret\\]"`));
  });

  it.each([true, false])(
    'never writes an API key or a private key that it can recognise (pretty: %s)',
    async (pretty) => {
      const { key } = createApiKey(osCrypto);
      const pem = privateKeyToPem(osCrypto.generateKeyPair('ed25519').privateKey);
      const [, body = ''] = pem.split('\n');
      const { stderr } = await written(
        pretty,
        `const [key, pem] = ${JSON.stringify([key, pem])};
       log.info('begun with ' + key + ' and so on');
       log.error({ err: new Error('refused: ' + key) }, 'm');
       log.warn({ text: pem, list: [pem, pem.slice(0, 60), { note: 'Authorization: Bearer abc.def-ghi' }] }, 'after');`,
      );
      expect(stderr).not.toContain(key.slice(4, 20));
      expect(stderr).not.toContain(body.slice(0, 20));
      expect(stderr).not.toContain('abc.def');
      expect(stderr).toMatch(/begun with \[secret\] and so on/);
      expect(stderr).toContain('after');
      if (!pretty) for (const line of stderr.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
    },
  );
});
