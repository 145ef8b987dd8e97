import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { type ApiLab, apiLab, ca } from '../../actors/operations/api/api-lab.ts';

let lab: ApiLab;
let clock: ManualClock;
let session: ClientHttp2Session;
beforeEach(async () => {
  clock = new ManualClock(0);
  lab = await apiLab({ clock });
  session = connectHttp2(`https://127.0.0.1:${lab.address.port}`, { ca: ca.certPem });
  session.on('error', () => {});
});
afterEach(async () => {
  session.destroy();
  await lab.api.close();
});

const post = (authorization: string): ClientHttp2Stream => {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/api/v1/messages',
    'content-type': 'application/json',
    authorization,
  });
  stream.on('error', () => {});
  stream.write('{"to":');
  return stream;
};
const statusOf = (stream: ClientHttp2Stream): Promise<number> =>
  new Promise((resolve) => stream.once('response', (head) => resolve(Number(head[':status']))));
const closed = (stream: ClientHttp2Stream): Promise<number> =>
  new Promise((resolve) => stream.resume().once('close', () => resolve(stream.rstCode)));

describe('a body that never ends, over HTTP/2', () => {
  it('is not waited for without a key: the answer comes at once, and the stream is over', async () => {
    const stream = post('Bearer nobody');
    const end = closed(stream);
    expect(await statusOf(stream)).toBe(401);
    await end;
  });

  it('is cut when its time is over, and the connection serves on', async () => {
    const stream = post(`Bearer ${lab.key}`);
    const end = closed(stream);
    await expect.poll(() => lab.control.audited.length).toBe(1);
    stream.write(' ');
    await clock.advanceAsync(limits.apiRequestMsMax);
    expect(await end).toBe(constants.NGHTTP2_CANCEL);
    const next = session.request({ ':path': '/health/live' });
    expect(await statusOf(next)).toBe(200);
  });
});
