import { type Shape, text } from '../json/shape.ts';

/**
 * `ed25519:` and the 32 bytes of a public key in base64url without padding (RFC 4648 §5). The last character carries
 * four bits only, so one key has one text.
 */
export type PublicKeyText = string;

const form = /^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** Accepts exactly one text for each key; whether the point is on the curve is for the verifier to find out. */
export const publicKeyText: Shape<PublicKeyText> = text(51, form, 'ed25519:<43 characters of base64url>');
