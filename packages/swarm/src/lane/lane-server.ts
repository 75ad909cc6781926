import { constants } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { LaneEncryption } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import { answerGreeting, GREETING_BYTES, GREETING_FIRST_BYTE, PROOF_BYTES, readGreeting } from './challenge.ts'
import { fingerprintOf, type LaneCertificate } from './lane-certificate.ts'
import { LANE_CIPHERS } from './lane-ciphers.ts'

/** Connections whose other end has not proved yet who it is; a further one is refused. */
export const MAX_UNPROVEN = 256
/** The same from one host: no stranger takes all the places. */
export const MAX_UNPROVEN_PER_HOST = 64
/** A connection that has not proved who it is by then is closed. */
export const PROOF_TIMEOUT_MS = 5_000
/** A connection that carries nothing is probed after this time. */
const KEEP_ALIVE_MS = 15_000

/** A peer that may dial. */
export interface ExpectedPeer {
  /** The key that it was given for a lane without encryption; undefined when this pair uses TLS only. */
  readonly key: Uint8Array | undefined
  /** It dialled and is who it should be. */
  accept(socket: Socket, encryption: LaneEncryption): void
}

/** The direct lane cannot listen where it was told to. */
export class LaneListenError extends Error {
  readonly code = 'LANE_LISTEN_FAILED'
  readonly host: string
  readonly port: number

  constructor(address: { readonly host: string; readonly port: number }, cause: unknown) {
    super(`the direct lane cannot listen on ${address.host} port ${address.port}`, { cause })
    this.name = 'LaneListenError'
    this.host = address.host
    this.port = address.port
  }
}

/** What a server is made of. */
export interface LaneServerInit {
  readonly certificate: LaneCertificate
  readonly logger: Logger
}

/** Listens for peers that dial our lane, and lets in those that libp2p has introduced. */
export class LaneServer {
  readonly #init: LaneServerInit
  readonly #servers: Server[] = []
  readonly #tls: TlsServer
  readonly #expected = new Map<string, ExpectedPeer>()
  readonly #sockets = new Set<Socket>()
  /** Timers of the connections that have not proved who they are, by their other end: TLS hides the socket below it. */
  readonly #unproven = new Map<string, NodeJS.Timeout>()

  constructor(init: LaneServerInit) {
    this.#init = init
    this.#tls = createTlsServer(
      {
        cert: init.certificate.cert,
        key: init.certificate.key,
        requestCert: true,
        // Nobody signs these certificates: the fingerprint decides, in #onSecure.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        ciphers: LANE_CIPHERS,
        // A resumed session shows no certificate.
        secureOptions: constants.SSL_OP_NO_TICKET,
        handshakeTimeout: PROOF_TIMEOUT_MS
      },
      (socket) => this.#onSecure(socket)
    )
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#init.logger.debug({ error }, 'a TLS handshake on the lane failed')
      socket.destroy()
    })
  }

  /** Where it listens. */
  get addresses(): AddressInfo[] {
    return this.#servers.flatMap((server) => {
      const address = server.address()
      return address === null || typeof address === 'string' ? [] : [address]
    })
  }

  /** @throws LaneListenError */
  async listen(addresses: readonly { readonly host: string; readonly port: number }[]): Promise<void> {
    for (const { host, port } of addresses) {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS })
      server.on('connection', (socket) => this.#onConnection(socket))
      try {
        server.listen({ host, port, ipv6Only: host === '::' })
        await once(server, 'listening')
      } catch (cause) {
        throw new LaneListenError({ host, port }, cause)
      }
      this.#servers.push(server)
    }
  }

  async stop(): Promise<void> {
    this.#expected.clear()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
  }

  /**
   * Lets in whoever has the certificate with that fingerprint. A fingerprint that another peer has shown before stays that
   * peer's: whoever claims it too gets no lane.
   *
   * @returns what undoes it
   */
  expect(fingerprint: Uint8Array, peer: ExpectedPeer): () => void {
    const name = nameOf(fingerprint)
    if (this.#expected.has(name)) {
      this.#init.logger.warn({ fingerprint: name }, 'a peer claims the certificate of another; it gets no direct lane')
      return () => undefined
    }
    this.#expected.set(name, peer)
    return () => {
      if (this.#expected.get(name) === peer) this.#expected.delete(name)
    }
  }

  #onConnection(socket: Socket): void {
    const host = `${socket.remoteAddress} `
    const fromHost = [...this.#unproven.keys()].filter((other) => other.startsWith(host)).length
    if (this.#unproven.size >= MAX_UNPROVEN || fromHost >= MAX_UNPROVEN_PER_HOST) {
      socket.destroy()
      return
    }
    const name = remoteName(socket)
    const timer = setTimeout(() => socket.destroy(), PROOF_TIMEOUT_MS)
    this.#unproven.set(name, timer)
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#proven(name)
    })
    socket.once('readable', () => this.#onFirstBytes(socket))
  }

  #proven(name: string): void {
    clearTimeout(this.#unproven.get(name))
    this.#unproven.delete(name)
  }

  #onFirstBytes(socket: Socket): void {
    const first: Buffer | null = socket.read()
    if (first === null) return
    socket.unshift(first)
    if (first[0] !== GREETING_FIRST_BYTE) {
      this.#tls.emit('connection', socket)
      return
    }
    this.#greeted(socket).catch((error: unknown) => {
      this.#init.logger.debug({ error }, 'a greeting on the lane failed')
      socket.destroy()
    })
  }

  #onSecure(socket: TLSSocket): void {
    const shown = socket.getPeerX509Certificate()
    const peer = shown && this.#expected.get(nameOf(fingerprintOf(shown.raw)))
    if (peer === undefined) {
      socket.destroy()
      return
    }
    this.#proven(remoteName(socket))
    peer.accept(socket, 'tls')
  }

  async #greeted(socket: Socket): Promise<void> {
    const { fingerprint, nonce } = readGreeting(await readExactly(socket, GREETING_BYTES))
    const peer = this.#expected.get(nameOf(fingerprint))
    if (peer?.key === undefined) throw new Error('nobody is expected under that name without encryption')
    const answer = answerGreeting(peer.key, nonce)
    socket.write(answer.message)
    answer.check(await readExactly(socket, PROOF_BYTES))
    if (socket.destroyed) return
    this.#proven(remoteName(socket))
    peer.accept(socket, 'none')
  }
}

function remoteName(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

function nameOf(fingerprint: Uint8Array): string {
  return Buffer.from(fingerprint).toString('hex')
}

async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(length)
    if (bytes !== null) {
      if (bytes.length < length) throw new Error('the dialler hung up')
      return bytes
    }
    if (socket.readableEnded || socket.destroyed) throw new Error('the dialler hung up')
    await once(socket, 'readable', { signal: AbortSignal.timeout(PROOF_TIMEOUT_MS) })
  }
}
