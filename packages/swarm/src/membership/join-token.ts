import { randomBytes, timingSafeEqual } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { publicKeyOfPeer } from '../identity.ts'

const PREFIX = 'shoal1'
const SECRET_BYTES = 24
const SECRET_FILE_MODE = 0o600

/**
 * What a node shows to be admitted. It names the registry's peer id, so that a node speaks to the right registry
 * before it shows the secret, and knows whose signatures to trust from then on.
 */
export interface JoinToken {
  /** Peer id of the registry whose mesh this is: the key that signs certificates and chunk maps. */
  readonly authority: string
  readonly secret: Uint8Array
}

/** A join token that is not one. */
export class JoinTokenError extends Error {
  readonly code = 'JOIN_TOKEN_INVALID'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'JoinTokenError'
  }
}

/**
 * Reads a token of the form `shoal1.<registry peer id>.<secret, base64url>`.
 *
 * @throws JoinTokenError saying what is wrong, never quoting the secret
 */
export function parseJoinToken(text: string): JoinToken {
  const [prefix, authority, secretText, ...rest] = text.trim().split('.')
  if (prefix !== PREFIX || authority === undefined || secretText === undefined || rest.length > 0) {
    throw new JoinTokenError(
      `a join token looks like ${PREFIX}.<peer id>.<secret>; copy the registry's join-token file`
    )
  }
  const secret = Buffer.from(secretText, 'base64url')
  if (secret.length !== SECRET_BYTES || secret.toString('base64url') !== secretText) {
    throw new JoinTokenError('the secret part of the join token is damaged; copy it again')
  }
  try {
    publicKeyOfPeer(authority)
  } catch (cause) {
    throw new JoinTokenError('the peer id in the join token is damaged; copy it again', { cause })
  }
  return { authority, secret }
}

/** The inverse of {@link parseJoinToken}. */
export function formatJoinToken(token: JoinToken): string {
  return `${PREFIX}.${token.authority}.${Buffer.from(token.secret).toString('base64url')}`
}

/** Whether two secrets are the same, in time that does not tell how much of them is. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Reads the registry's token from `file`, or makes one there, readable by its owner only.
 *
 * @param authority the registry's own peer id
 * @throws JoinTokenError when the file holds no token, or one of another registry
 */
export async function loadJoinToken(file: string, authority: string): Promise<JoinToken> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text !== undefined) {
    const token = parseJoinToken(text)
    if (token.authority === authority) return token
    throw new JoinTokenError(`${file} is the token of another registry; delete it to get a new one`)
  }
  const token: JoinToken = { authority, secret: randomBytes(SECRET_BYTES) }
  const handle = await open(file, 'wx', SECRET_FILE_MODE)
  try {
    await handle.writeFile(`${formatJoinToken(token)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return token
}
