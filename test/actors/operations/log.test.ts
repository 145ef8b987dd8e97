import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createApiKey } from '../../../src/crypto/api-key.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';

const run = promisify(execFile);
const module = new URL('../../../src/actors/operations/log.ts', import.meta.url).href;

/** What a process writes that logs this, on each stream. */
const written = (pretty: boolean, statements: string, level = 'info'): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [
    '--input-type=module',
    '-e',
    `const { createLog } = await import(${JSON.stringify(module)});
     const log = createLog({ level: '${level}', pretty: ${pretty} }); ${statements}`,
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

  it.each([true, false])(
    'has no words of what actors threw, but where it was, unless it is for debugging (pretty: %s)',
    async (pretty) => {
      const statements = `class CardError extends Error { name = 'CardError' }
       log.error({ thrown: new CardError('S1\\n    at S2 (file:///s3.js:1:1)', { cause: new Error('S4') }) }, 'one');
       log.error({ thrown: 'S5' }, 'two');
       log.error({ thrown: Object.assign(new Error('S6'), { name: 'S7 it was', code: 'S8 it was' }) }, 'three');
       log.error({ thrown: new Proxy({}, { getPrototypeOf() { throw 'S9' } }) }, 'four');
       log.error({ thrown: Object.assign(new RangeError(), { stack: 'S10' }) }, 'five');
       log.error({ thrown: undefined }, 'six');`;
      const { stderr } = await written(pretty, statements);
      expect(stderr).not.toMatch(/S\d|s3/);
      expect(stderr).toMatch(/one[\s\S]*two[\s\S]*three[\s\S]*four[\s\S]*five[\s\S]*six/);
      expect(stderr).toMatch(/CardError[\s\S]*at file:[\s\S]*\d+:\d+/);
      const full = await written(pretty, statements, 'debug');
      for (const word of ['S1', 'S2', 'S4', 'S5', 'S6', 'S7', 'S8']) expect(full.stderr).toContain(word);
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

  it.each([true, false])(
    'strikes out secrets by other names, as bytes and within texts (pretty: %s)',
    async (pretty) => {
      const capability = `cxcap1.${'a'.repeat(40)}.kid1.SIGNATURE`;
      const { stderr } = await written(
        pretty,
        `const S = 'S3CRET';
       log.info({ access_token: S, 'x-api-key': S, vaultKey: S, clientSecret: S, a: { b: { c: { d: { gossip_key: S } } } } }, 'm');
       log.info({ a: { b: { c: { d: { key: Buffer.from('S3'), secret: [831, 512], token: new Uint8Array([83, 51]) } } } } }, 'm');
       log.info('sent ' + JSON.stringify({ token: S, list: [{ password: 'x"' + S }] }) + ' and password=' + S + '&x=1');
       log.error({ err: new Error('to https://user:' + S + '@host/ with Splunk 11111111-' + S + ' and ${capability}') }, 'kept');`,
      );
      expect(stderr).not.toMatch(/S3CRET|SIGNATURE|831|"data"|"0"/);
      expect(stderr).toContain('kept');
    },
  );

  it.each([true, false])('what a stranger said begins no line and steers no terminal (pretty: %s)', async (pretty) => {
    const evil = 'x\\n[12:00:00.000] ERROR: forged\\r\\u001b[2J\\u009b1m\\u202e\\u2028y';
    const { stderr } = await written(
      pretty,
      `const evil = "${evil}".replaceAll('\\\\', '\\\\'); log.info({ a: evil, b: { [evil]: [evil] } }, evil);
       log.error({ err: new Error(evil) }, 'm');`,
    );
    // Colours are the log’s own, and there are none in a pipe.
    expect(stderr).not.toMatch(/(?!\n)\p{Cc}|[\u202e\u2028]/u);
    expect(stderr).not.toMatch(/^\[12:00:00.000\] ERROR: forged/m);
    if (!pretty)
      expect(
        stderr
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).a)[0],
      ).toContain('forged');
  });

  it.each([true, false])(
    'waits for nobody who does not read it, not even at the end (pretty: %s)',
    async (pretty) => {
      for (const kind of ['pipe', 'fifo'] as const) {
        const script = `const { createLog } = await import(${JSON.stringify(module)});
        const log = createLog({ level: 'info', pretty: ${pretty} });
        for (let i = 0; i < 4000; i++) { log.info({ i, x: 'y'.repeat(1000) }, 'm'); if (i % 100 === 0) await new Promise(setImmediate); }
        process.stdout.write('alive');`;
        const words = ['--input-type=module', '-e', script];
        // A shell’s pipe is a FIFO, that of a parent in Node a socket.
        const child =
          kind === 'pipe'
            ? spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
            : spawn(
                'sh',
                ['-c', 'exec 3>&1; { "$0" "$@" 2>&1 >&3; echo ended >&3; } | sleep 5', process.execPath, ...words],
                {
                  stdio: ['ignore', 'pipe', 'ignore'],
                },
              );
        let said = '';
        child.stdout!.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        const ended =
          kind === 'pipe' ? once(child, 'exit') : expect.poll(() => said, { timeout: 4_500 }).toContain('ended');
        await Promise.race([
          ended,
          new Promise((_, reject) => setTimeout(() => reject(new Error(`${kind}: it hangs`)), 4_500)),
        ]);
        expect(said).toContain('alive');
        child.kill('SIGKILL');
      }
    },
    15_000,
  );

  it('says how many lines were dropped once somebody reads again', async () => {
    const script = `const { createLog } = await import(${JSON.stringify(module)});
      const log = createLog({ level: 'info', pretty: false });
      for (let i = 0; i < 4000; i++) log.info({ i, x: 'y'.repeat(1000) }, 'm');
      process.stdout.write('full');
      const wait = setInterval(() => {}, 50);
      process.stdin.on('data', () => { log.info('after'); clearInterval(wait); process.stdin.destroy(); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'pipe'] });
    await once(child.stdout, 'data');
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await expect.poll(() => text, { timeout: 4_000 }).toContain('were dropped');
    child.stdin.end('go on');
    await once(child, 'exit');
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { i?: number; msg: string });
    const came = lines.filter(({ i }) => i !== undefined).length;
    expect(lines.at(-1)?.msg).toBe('after');
    expect(lines.find(({ msg }) => msg.includes('dropped'))?.msg).toMatch(new RegExp(`^${4_000 - came} lines`));
  });
});
