import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { WireError } from '../wire.ts'

const NONCE_BYTES = 32
/** Bytes of a lane's name. */
const NAME_BYTES = 16
/** Bytes of a proof: HMAC-SHA-256. */
export const PROOF_BYTES = 32
/** First bytes of a lane without encryption. A TLS handshake begins with 22. */
const TAG = Buffer.from('shoal lane 1\n')
const NONCE_AT = TAG.length + NAME_BYTES
/** What the dialler says first: tag, the name of the lane, a nonce. */
export const GREETING_BYTES = TAG.length + NAME_BYTES + NONCE_BYTES
/** What the listener answers: a nonce and its proof. */
export const ANSWER_BYTES = NONCE_BYTES + PROOF_BYTES

/** The first byte of a greeting tells it from a TLS handshake. */
export const GREETING_FIRST_BYTE = TAG[0]

/*
 * Without encryption each side still proves that it has the key which the listener gave to this one peer over libp2p.
 * The key itself never travels on the lane, and nonces of both sides keep an old proof from being used again.
 */

function proof(key: Uint8Array, side: 'listener' | 'dialler', dialler: Uint8Array, listener: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`shoal lane ${side}\n`).update(dialler).update(listener).digest()
}

function check(given: Uint8Array, expected: Uint8Array): void {
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new WireError('the other end of a lane does not have its key')
  }
}

/** How a lane is called on the wire: everybody may see it, and nobody finds the key by it. It is good as a host name, for TLS. */
export function laneName(key: Uint8Array): string {
  return createHmac('sha256', key).update('shoal lane name\n').digest().subarray(0, NAME_BYTES).toString('hex')
}

/** The dialler's first message. */
export function greet(key: Uint8Array): { readonly message: Uint8Array; readonly nonce: Uint8Array } {
  const nonce = randomBytes(NONCE_BYTES)
  return { message: Buffer.concat([TAG, Buffer.from(laneName(key), 'hex'), nonce]), nonce }
}

/** Takes a greeting apart. @throws WireError when it is none */
export function readGreeting(message: Buffer): { readonly name: string; readonly nonce: Uint8Array } {
  if (message.length !== GREETING_BYTES || TAG.compare(message, 0, TAG.length) !== 0) {
    throw new WireError('a lane does not begin with a greeting')
  }
  return { name: message.toString('hex', TAG.length, NONCE_AT), nonce: message.subarray(NONCE_AT) }
}

/** The listener's answer to a greeting, and the proof that it then waits for. */
export function answerGreeting(
  key: Uint8Array,
  nonce: Uint8Array
): { readonly message: Uint8Array; check(given: Uint8Array): void } {
  const own = randomBytes(NONCE_BYTES)
  return {
    message: Buffer.concat([own, proof(key, 'listener', nonce, own)]),
    check: (given) => check(given, proof(key, 'dialler', nonce, own))
  }
}

/**
 * The dialler checks the answer and gives its own proof.
 *
 * @throws WireError when the listener does not have the key
 */
export function proveTo(key: Uint8Array, nonce: Uint8Array, answer: Uint8Array): Uint8Array {
  const theirs = answer.subarray(0, NONCE_BYTES)
  check(answer.subarray(NONCE_BYTES), proof(key, 'listener', nonce, theirs))
  return proof(key, 'dialler', nonce, theirs)
}
