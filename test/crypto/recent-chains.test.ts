import { describe, expect, it } from 'vitest';
import { readChain, rememberChain } from '../../src/crypto/recent-chains.ts';
import { type SvidExpectation, verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { NodeId } from '../../src/names.ts';
import { dayMs, domain, makeCa, nodeCertificate, nodeOne, now, period } from './fixtures.ts';

const ca = makeCa();
const expectation: SvidExpectation = { caPem: ca.certPem, trustDomain: domain, now, nodeId: nodeOne };
const fresh = () => nodeCertificate(ca);
const read = (chain: Uint8Array) => unwrap(readChain(chain));
const isKept = (chain: Uint8Array): boolean => {
  const first = read(chain);
  return read(chain) === first;
};

describe('a chain that was accepted', () => {
  it('is read once, whoever holds the bytes', () => {
    const chain = fresh();
    expect(isKept(chain)).toBe(false);
    expect(verifyNodeSvid(chain, expectation).ok).toBe(true);
    expect(isKept(chain)).toBe(true);
    expect(read(new Uint8Array(chain))).toBe(read(chain));
  });

  it('is judged anew each time: time, node, bundle, domain and revocation', () => {
    const chain = fresh();
    expect(verifyNodeSvid(chain, expectation).ok).toBe(true);
    const judged = (change: Partial<SvidExpectation>) => {
      const result = verifyNodeSvid(chain, { ...expectation, ...change });
      return result.ok ? 'accepted' : result.refusal.findings.map(({ code }) => code);
    };
    expect(judged({ now: period.notAfter + dayMs })).toContain('EXPIRED');
    expect(judged({ now: period.notBefore - dayMs })).toContain('NOT_YET_VALID');
    expect(judged({ nodeId: 'node-9' as NodeId })).toEqual(['WRONG_NODE']);
    expect(judged({ caPem: makeCa().certPem })).toEqual(['OTHER_CA']);
    expect(judged({ trustDomain: 'other.example' as typeof domain })).toContain('OTHER_TRUST_DOMAIN');
    expect(judged({ revoked: () => true })).toEqual(['ISSUER_REVOKED', 'REVOKED']);
    expect(judged({})).toBe('accepted');
  });

  it('is let go of when many others came', () => {
    const chain = fresh();
    expect(verifyNodeSvid(chain, expectation).ok).toBe(true);
    for (let count = 0; count < 2 * limits.chainsKeptMin; count += 1)
      rememberChain(new Uint8Array([1, count, count >> 8]), read(chain));
    expect(isKept(chain)).toBe(false);
  });
});

it('does not keep a chain that was refused', () => {
  const chain = fresh();
  expect(verifyNodeSvid(chain, { ...expectation, caPem: makeCa().certPem }).ok).toBe(false);
  expect(isKept(chain)).toBe(false);
});
