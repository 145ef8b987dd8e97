import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cefLine } from '../../../src/protocols/siem/cef.ts';
import { csvHead, csvRow } from '../../../src/protocols/siem/csv.ts';
import { hecBody } from '../../../src/protocols/siem/hec.ts';
import { otlpRequest } from '../../../src/protocols/siem/otlp.ts';
import { anyRecord, denial } from './records.ts';

/** What a record has beside what every record has. */
const judged = {
  decision: { effect: 'deny', policy: 'p=1', layer: 'capability' },
  policyHash: 'ab12',
  traceId: 'cd34',
  certificateSerial: '0A:0B',
  level: 'metadata',
  cut: true,
} as const;

describe('CEF', () => {
  it('has the record’s fields under the keys of the format', () => {
    expect(cefLine(denial, '1.2.3')).toBe(
      'CEF:0|Caxton|caxton-runtime|1.2.3|AccessDenied|AccessDenied|6|rt=1769860800005 externalId=7 dvchost=node-1 ' +
        'outcome=refused suser=shop/clerk duser=bank/cashier act=request src=192.0.2.7 cnt=3 ' +
        'reason=It has no capability. The policy says no. cs1Label=code cs1=UNAUTHORIZED cs2Label=requestId cs2=r-1 ' +
        'cs3Label=identity cs3=shop/clerk cs6Label=metadata cs6={"bytes":12,"first":true}',
    );
  });

  it('has the judgement, and says that something was left out', () => {
    expect(cefLine({ ...denial, ...judged }, '1')).toContain(
      ' cs4Label=policyHash cs4=ab12 cs5Label=decision cs5=deny p\\=1 capability flexString1Label=traceId ' +
        'flexString1=cd34 flexString2Label=certificateSerial flexString2=0A:0B flexNumber1Label=shortened flexNumber1=1 ',
    );
  });

  it('an IPv6 address has its own key', () => {
    const line = cefLine({ ...denial, sourceIp: '2001:db8::1' }, '1');
    expect(line).toContain(' c6a2=2001:db8::1 c6a2Label=Source IPv6 Address ');
    expect(line).not.toContain(' src=');
  });

  it('no text begins another line, another field of the head or another key', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const line = cefLine(record, '1|2');
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        const bare = line.replaceAll(/\\./g, '');
        expect(bare.split('|', 8).slice(0, 7)).toHaveLength(7);
        const keys = [...bare.slice(bare.indexOf('|rt=') + 1).matchAll(/(?:^| )([A-Za-z0-9]+)=/g)].map(
          (match) => match[1],
        );
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });
});

describe('CSV', () => {
  it('has a column for each field', () => {
    expect(csvHead).toBe(
      'seq,time,type,outcome,identity,sourceIp,nodeId,code,reasons,requestId,count,metadata,decision,policyHash,traceId,' +
        'certificateSerial,shortened',
    );
    expect(csvRow({ ...denial, metadata: { a: 'b"c' } })).toBe(
      '7,2026-01-31T12:00:00.005Z,AccessDenied,refused,shop/clerk,192.0.2.7,node-1,UNAUTHORIZED,' +
        'It has no capability. The policy says no.,r-1,3,"{""a"":""b\\""c""}",,,,,',
    );
    expect(csvRow({ ...denial, ...judged })).toMatch(
      /,"\{""effect"":""deny"",""policy"":""p=1"",""layer"":""capability""\}",ab12,cd34,0A:0B,metadata cut$/,
    );
  });

  it('a text that a spreadsheet would run is quoted as text', () => {
    for (const identity of [
      '=HYPERLINK("http://x")',
      '+1',
      '-1',
      '@a',
      '\tx',
      '\n=1',
      ' =1',
      '＝1',
      '\0=1',
      '\u200b=1',
      '\u001b \u0085@a',
    ])
      expect(csvRow({ ...denial, identity })).toMatch(/,"?'[\s\p{Cc}\p{Cf}]*[=+\-@x＝]/u);
  });

  it('reads back as it was, whatever it holds', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const cells = readCsv(csvRow(record));
        expect(cells).toHaveLength(csvHead.split(',').length);
        expect(cells[4]?.replace(/^'(?=[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r\n])/u, '')).toBe(record.identity);
        expect(JSON.parse(cells[11] ?? '')).toEqual(JSON.parse(JSON.stringify(record.metadata)));
      }),
    );
  });
});

/** RFC 4180, for one row. */
function readCsv(row: string): string[] {
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

describe('the HTTP event collector', () => {
  it('gets an object for each record, with the event as it is', () => {
    const body = hecBody([denial, { ...denial, seq: 8 }], { sourceType: 's', index: 'i' }, (record) =>
      JSON.stringify(record),
    );
    const objects = body.split('\n').map((line) => JSON.parse(line) as { event: { seq: number } });
    expect(objects.map(({ event }) => event.seq)).toEqual([7, 8]);
    expect(objects[0]).toMatchObject({
      time: 1_769_860_800.005,
      host: 'node-1',
      source: 'caxton:audit',
      sourcetype: 's',
      index: 'i',
    });
    expect(JSON.parse(hecBody([denial], { sourceType: 's' }, () => '{}'))).not.toHaveProperty('index');
  });
});

describe('OpenTelemetry logs', () => {
  it('has a log record for each record, 64-bit numbers as texts', () => {
    const request = JSON.parse(
      otlpRequest([denial], { nodeId: 'node-1', version: '1', observedAt: 5 }, () => 'body'),
    ) as {
      resourceLogs: { scopeLogs: { logRecords: Record<string, unknown>[] }[] }[];
    };
    const [record] = request.resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
    expect(record).toMatchObject({
      timeUnixNano: '1769860800005000000',
      observedTimeUnixNano: '5000000',
      severityNumber: 13,
      eventName: 'caxton.audit.AccessDenied',
      body: { stringValue: 'body' },
    });
    expect(record?.attributes).toContainEqual({ key: 'caxton.audit.sequence', value: { intValue: '7' } });
    expect(record?.attributes).toContainEqual({ key: 'caxton.audit.metadata.first', value: { boolValue: true } });
  });

  it('takes whatever a record holds', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        JSON.parse(otlpRequest([record], { nodeId: 'n', version: '1', observedAt: 0 }, () => ''));
      }),
    );
  });
});
