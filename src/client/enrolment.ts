import { createConnection } from './connection.ts';

export interface EnrolmentAnswer {
  /** PEM: the certificate, and what stands between it and the root. */
  readonly certificate: string;
  /** What the cluster believes. */
  readonly ca: string;
}

const timeoutMs = 10_000;

/**
 * The CA of the cluster as whoever answers there says, PEM. Nothing secret is sent, and what comes back is worth nothing
 * until it was compared with the hash in the join token. Rejects as every request of a client does.
 */
export async function fetchEnrolmentCa(address: string): Promise<string> {
  const connection = createConnection({ address });
  try {
    const shape = { ca: 'text' } as const;
    return (await connection.request<{ ca: string }>({ method: 'GET', path: '/api/v1/enrolment/ca', shape, timeoutMs }))
      .ca;
  } finally {
    connection.close();
  }
}

/** Shows a join token, to a server whose certificate is of the CA alone. `request` is PKCS #10 in base64. */
export async function enrol(
  address: string,
  caPem: string,
  body: { readonly id: string; readonly secret: string; readonly request: string },
): Promise<EnrolmentAnswer> {
  const connection = createConnection({ address, caPem });
  try {
    const shape = { certificate: 'text', ca: 'text' } as const;
    return await connection.request({ method: 'POST', path: '/api/v1/enrolment', body, shape, timeoutMs });
  } finally {
    connection.close();
  }
}
