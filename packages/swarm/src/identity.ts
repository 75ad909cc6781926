import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'

const SECRET_FILE_MODE = 0o600

/** The Ed25519 identity of a process: its peer id names the public key, the private key signs. */
export interface Identity {
  readonly peerId: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The same private key in the shape that libp2p takes. */
  readonly libp2pKey: Ed25519PrivateKey
}

/** The identity file cannot be used. */
export class IdentityError extends Error {
  readonly code = 'IDENTITY_INVALID'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IdentityError'
  }
}

/**
 * Reads the identity kept in `file` (PKCS #8 PEM), or makes one there, readable by its owner only.
 *
 * @throws IdentityError when the file holds something else than an Ed25519 private key
 */
export async function loadIdentity(file: string): Promise<Identity> {
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new IdentityError(`cannot read the identity in ${file}: ${error.message}`, { cause: error })
  })
  if (pem !== undefined) {
    try {
      return await identityFromKey(createPrivateKey(pem))
    } catch (cause) {
      throw new IdentityError(`${file} holds no Ed25519 private key; restore it, or delete it to get a new identity`, {
        cause
      })
    }
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  const handle = await open(file, 'wx', SECRET_FILE_MODE)
  try {
    await handle.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await handle.sync()
  } finally {
    await handle.close()
  }
  return identityFromKey(privateKey)
}

/** The identity that an Ed25519 private key stands for. */
export async function identityFromKey(privateKey: KeyObject): Promise<Identity> {
  const { d } = privateKey.export({ format: 'jwk' })
  if (privateKey.asymmetricKeyType !== 'ed25519' || d === undefined) throw new IdentityError('not an Ed25519 key')
  const libp2pKey = await generateKeyPairFromSeed('Ed25519', Buffer.from(d, 'base64url'))
  return {
    peerId: peerIdFromPrivateKey(libp2pKey).toString(),
    privateKey,
    publicKey: createPublicKey(privateKey),
    libp2pKey
  }
}

/**
 * The Ed25519 public key that a peer id holds inside itself.
 *
 * @throws IdentityError when the text is no peer id, or one of another kind of key
 */
export function publicKeyOfPeer(peerId: string): KeyObject {
  let raw: Uint8Array | undefined
  try {
    const parsed = peerIdFromString(peerId)
    if (parsed.type === 'Ed25519') raw = parsed.publicKey.raw
  } catch (cause) {
    throw new IdentityError(`"${peerId}" is not a peer id`, { cause })
  }
  if (raw === undefined) throw new IdentityError(`peer id "${peerId}" does not hold an Ed25519 key`)
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') }
  return createPublicKey({ key: jwk, format: 'jwk' })
}
