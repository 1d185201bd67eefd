/**
 * A signature proves reasoning to the provider that made it and to no other: each refuses one it does not know. So in
 * canonical form a signature carries its owner, `anthropic/EqQB...`, and a conversation may change providers.
 */
export type SignatureOwner = 'anthropic' | 'gemini';

const OWNED = /^(?:anthropic|gemini)\//;

/** A signature off the wire of `owner`, as canonical form holds it. One that already names an owner keeps it. */
export function ownedSignature(owner: SignatureOwner, signature: string | undefined): string | null {
  if (signature === undefined || signature === '') return null;
  return OWNED.test(signature) ? signature : `${owner}/${signature}`;
}

/** The signature to send to `owner`; undefined when it is another's. */
export function signatureFor(owner: SignatureOwner, canonical: string | undefined): string | undefined {
  return canonical?.startsWith(`${owner}/`) ? canonical.slice(owner.length + 1) : undefined;
}

/** The signature to show a caller who speaks the wire of `owner`: its own plain, another's with the owner's name. */
export function showSignature(owner: SignatureOwner, canonical: string | null): string {
  return signatureFor(owner, canonical ?? undefined) ?? canonical ?? '';
}
