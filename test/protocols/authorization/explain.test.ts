import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/protocols/authorization/explain.ts';

describe('an explanation', () => {
  it('of an allowance names the policy and the reason', () => {
    expect(explain({ effect: 'allow', policy: 'policy *', reasons: ['Because.'] })).toEqual([
      'Allowed by policy *.',
      '  Because.',
    ]);
  });

  it('of a denial names layer, code, every reason, the wait and the mend', () => {
    const lines = explain({
      effect: 'deny',
      layer: 'rate',
      policy: 'policy default/bob',
      refusal: { code: 'RATE_LIMIT_EXCEEDED', reasons: ['One.', 'Two.'], retryAfterMs: 40 },
    });
    expect(lines).toEqual([
      'Denied by the rate limit (RATE_LIMIT_EXCEEDED); judged by policy default/bob.',
      '  One.',
      '  Two.',
      '  Retry after 40 ms.',
      expect.stringMatching(/^To mend it: ./),
    ]);
  });
});
