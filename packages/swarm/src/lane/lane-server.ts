import { constants } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Clock } from '../clock.ts'
import type { LaneEncryption } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import {
  answerGreeting,
  GREETING_BYTES,
  GREETING_FIRST_BYTE,
  laneName,
  PROOF_BYTES,
  readGreeting
} from './challenge.ts'
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
  /** The key that it alone was given: by the name made of it the lane is known. */
  readonly key: Uint8Array
  /** SHA-256 of the certificate that it shows. */
  readonly fingerprint: Uint8Array
  /** Whether the pair may do without encryption. */
  readonly allowsPlain: boolean
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
  readonly clock: Clock
  readonly logger: Logger
}

/** Listens for peers that dial our lane, and lets in those that libp2p has introduced. */
export class LaneServer {
  readonly #init: LaneServerInit
  readonly #servers: Server[] = []
  readonly #tls: TlsServer
  readonly #expected = new Map<string, ExpectedPeer>()
  readonly #sockets = new Set<Socket>()
  /** What ends the time of the connections that have not proved who they are, by their other end: TLS hides the socket below it. */
  readonly #unproven = new Map<string, () => void>()

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
        secureOptions: constants.SSL_OP_NO_TICKET
      },
      (socket) => this.#onSecure(socket)
    )
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#init.logger.debug({ error }, 'a TLS handshake on the lane failed')
      socket.destroy()
    })
  }

  /** Connections that have not proved who they are. */
  get unproven(): number {
    return this.#unproven.size
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
   * Lets in whoever names the lane by its key and has the certificate. A certificate that somebody else claims to have too does not
   * matter: the key was given to one peer only.
   *
   * @returns what undoes it
   */
  expect(peer: ExpectedPeer): () => void {
    const name = laneName(peer.key)
    this.#expected.set(name, peer)
    return () => this.#expected.delete(name)
  }

  #onConnection(socket: Socket): void {
    const host = `${socket.remoteAddress} `
    const fromHost = [...this.#unproven.keys()].filter((other) => other.startsWith(host)).length
    if (this.#unproven.size >= MAX_UNPROVEN || fromHost >= MAX_UNPROVEN_PER_HOST) {
      socket.destroy()
      return
    }
    const name = remoteName(socket)
    this.#unproven.set(
      name,
      this.#init.clock.after(PROOF_TIMEOUT_MS, () => socket.destroy())
    )
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#proven(name)
    })
    socket.once('readable', () => this.#onFirstBytes(socket))
  }

  #proven(name: string): void {
    this.#unproven.get(name)?.()
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
    const peer = this.#expected.get(serverName(socket))
    if (peer === undefined || shown === undefined || Buffer.compare(fingerprintOf(shown.raw), peer.fingerprint) !== 0) {
      socket.destroy()
      return
    }
    this.#proven(remoteName(socket))
    peer.accept(socket, 'tls')
  }

  async #greeted(socket: Socket): Promise<void> {
    const { name, nonce } = readGreeting(await readExactly(socket, GREETING_BYTES))
    const peer = this.#expected.get(name)
    if (peer?.allowsPlain !== true) throw new Error('nobody is expected under that name without encryption')
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

/** The name that the dialler asked for. */
function serverName(socket: TLSSocket & { readonly servername?: string | false | null }): string {
  return typeof socket.servername === 'string' ? socket.servername : ''
}

/** Waits as long as the socket is open, which the server sees to. */
async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  const closed = new AbortController()
  socket.once('close', () => closed.abort(new Error('the dialler hung up')))
  for (;;) {
    const bytes: Buffer | null = socket.read(length)
    if (bytes !== null) {
      if (bytes.length < length) throw new Error('the dialler hung up')
      return bytes
    }
    if (socket.readableEnded || socket.destroyed) throw new Error('the dialler hung up')
    await once(socket, 'readable', { signal: closed.signal })
  }
}
