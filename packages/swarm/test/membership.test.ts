import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Identity, IdentityError, identityFromKey, loadIdentity, publicKeyOfPeer } from '../src/identity.ts'
import { silentLogger } from '../src/logger.ts'
import {
  decodeAdmissionAnswer,
  encodeAdmissionRequest,
  MAX_ADMISSION_REQUEST_BYTES
} from '../src/membership/admission-messages.ts'
import {
  AdmissionServer,
  type AdmissionServerInit,
  CERTIFICATE_LIFETIME_MS,
  REFUSALS_LOG_MS
} from '../src/membership/admission-server.ts'
import { CertificateError, signCertificate, verifyCertificate } from '../src/membership/certificate.ts'
import { formatJoinToken, JoinTokenError, loadJoinToken, parseJoinToken } from '../src/membership/join-token.ts'
import { WireError } from '../src/wire.ts'

const newIdentity = () => identityFromKey(generateKeyPairSync('ed25519').privateKey)
let directory: string
let registry: Identity
let node: Identity

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-membership-'))
  registry = await newIdentity()
  node = await newIdentity()
})
after(() => rm(directory, { recursive: true }))

describe('an identity', () => {
  it('is made once, kept private, and read back', async () => {
    const file = join(directory, 'identity')
    const made = await loadIdentity(file)
    assert.equal((await loadIdentity(file)).peerId, made.peerId)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })

  it('names its public key in the peer id', () => {
    assert.ok(publicKeyOfPeer(node.peerId).equals(node.publicKey))
    assert.throws(() => publicKeyOfPeer('not-a-peer'), IdentityError)
  })

  it('is not replaced when the file is damaged', async () => {
    const file = join(directory, 'damaged')
    await writeFile(file, 'garbage')
    await assert.rejects(loadIdentity(file), IdentityError)
    assert.equal(await readFile(file, 'utf8'), 'garbage')
  })
})

describe('a join token', () => {
  it('is made once per registry, kept private, and read back', async () => {
    const file = join(directory, 'join-token')
    const made = await loadJoinToken(file, registry.peerId)
    assert.deepEqual(await loadJoinToken(file, registry.peerId), made)
    assert.deepEqual(parseJoinToken(formatJoinToken(made)), made)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await assert.rejects(loadJoinToken(file, node.peerId), JoinTokenError)
  })

  it('that is damaged is refused without being quoted', () => {
    const good = formatJoinToken({ authority: registry.peerId, secret: new Uint8Array(24).fill(7) })
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), (cut) => {
        assert.throws(
          () => parseJoinToken(good.slice(0, cut)),
          (error) => error instanceof JoinTokenError && !error.message.includes(good.split('.')[2] ?? good)
        )
      })
    )
    fc.assert(fc.property(fc.string(), (text) => assert.throws(() => parseJoinToken(text), JoinTokenError)))
  })
})

describe('a certificate', () => {
  const NOW = 1_700_000_000_000
  const body = () => ({
    peerId: node.peerId,
    role: 'agent' as const,
    scopes: ['*'],
    zone: 'a',
    issuedAtMs: NOW,
    expiresAtMs: NOW + 1000
  })
  const check = () => ({ authority: registry.peerId, peerId: node.peerId, nowMs: NOW })

  it('is accepted from its holder', () => {
    assert.deepEqual(verifyCertificate(signCertificate(body(), registry.privateKey), check()), body())
  })

  it('is refused when signed by another, shown by another, too old or too new', () => {
    const good = signCertificate(body(), registry.privateKey)
    const forged = signCertificate(body(), node.privateKey)
    const cases: [string, Uint8Array, Partial<ReturnType<typeof check>>][] = [
      ['forged', forged, {}],
      ['another holder', good, { peerId: registry.peerId }],
      ['another mesh', good, { authority: node.peerId }],
      ['expired', good, { nowMs: NOW + 3_600_000 }],
      ['from the future', good, { nowMs: NOW - 3_600_000 }]
    ]
    for (const [what, bytes, change] of cases) {
      assert.throws(() => verifyCertificate(bytes, { ...check(), ...change }), CertificateError, what)
    }
  })

  it('is refused with any bit flipped, and cut anywhere', () => {
    const good = signCertificate(body(), registry.privateKey)
    fc.assert(
      fc.property(fc.nat({ max: good.length * 8 - 1 }), (bit) => {
        const bad = Uint8Array.from(good)
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.throws(() => verifyCertificate(bad, check()), CertificateError)
        assert.throws(() => verifyCertificate(good.subarray(0, bit >> 3), check()), CertificateError)
      })
    )
  })
})

describe('admission', () => {
  const secret = new Uint8Array(24).fill(1)
  const server = (wallClock = () => 1_700_000_000_000, others: Partial<AdmissionServerInit> = {}) =>
    new AdmissionServer({
      identity: registry,
      token: { authority: registry.peerId, secret },
      wallClock,
      members: () => [{ peerId: node.peerId, addresses: ['/ip4/10.0.0.1/tcp/5001'] }],
      logger: silentLogger,
      count: () => undefined,
      ...others
    })

  it('needs no more room for a request than the largest one takes', () => {
    const largest = encodeAdmissionRequest({ secret: new Uint8Array(64), zone: 'z'.repeat(64) })
    assert.equal(largest.length, MAX_ADMISSION_REQUEST_BYTES)
  })

  it('counts every refusal and logs one a minute', () => {
    let nowMs = 1_700_000_000_000
    const [logged, counted]: [unknown[], string[]] = [[], []]
    const logger = { ...silentLogger, warn: (fields: object) => void logged.push(fields) }
    const running = server(() => nowMs, { logger, count: (result) => void counted.push(result) })
    const wrong = encodeAdmissionRequest({ secret: new Uint8Array(24).fill(2), zone: '' })
    for (let i = 0; i < 1_000; i++) running.answer(node.peerId, wrong)
    assert.equal(logged.length, 1)
    nowMs += REFUSALS_LOG_MS
    running.answer(node.peerId, wrong)
    assert.deepEqual(logged[1], { peer: node.peerId, refusals: 1_000 })
    assert.equal(counted.filter((result) => result === 'refused').length, 1_001)
  })

  it('renews the certificate of a registry that runs for long', () => {
    let nowMs = 1_700_000_000_000
    const running = server(() => nowMs)
    const first = running.own('')
    assert.equal(running.own(''), first)
    nowMs += CERTIFICATE_LIFETIME_MS
    const check = { authority: registry.peerId, peerId: registry.peerId, nowMs: nowMs + CERTIFICATE_LIFETIME_MS / 2 }
    assert.equal(verifyCertificate(running.own(''), check).role, 'registry')
    assert.throws(() => verifyCertificate(first, check), CertificateError)
  })

  it('gives a certificate and neighbours for the right secret', () => {
    const answer = decodeAdmissionAnswer(server().answer(node.peerId, encodeAdmissionRequest({ secret, zone: 'z' })))
    assert.ok(answer.admitted)
    const nowMs = 1_700_000_000_000
    const certificate = verifyCertificate(answer.certificate, {
      authority: registry.peerId,
      peerId: node.peerId,
      nowMs
    })
    assert.equal(certificate.role, 'agent')
    assert.equal(certificate.zone, 'z')
    assert.equal(answer.neighbours.length, 1)
  })

  it('gives a reason and nothing else for a wrong one', () => {
    const wrong = encodeAdmissionRequest({ secret: new Uint8Array(24).fill(2), zone: '' })
    const answer = decodeAdmissionAnswer(server().answer(node.peerId, wrong))
    assert.equal(answer.admitted, false)
  })

  it('refuses hostile bytes with WireError only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of [decodeAdmissionAnswer, (message: Uint8Array) => server().answer(node.peerId, message)]) {
          try {
            decode(bytes)
          } catch (error) {
            assert.ok(error instanceof WireError, String(error))
          }
        }
      })
    )
  })
})
