import type { PeerAddress } from '../exchange/frame.ts'

/** Ways of finding peers that have a blob. */
export interface PeerFinders {
  /** The registry's rendezvous. */
  readonly rendezvous: () => Promise<readonly PeerAddress[]>
  readonly dht: () => AsyncIterable<PeerAddress>
  /** Links with peers; resolves when that was tried. */
  readonly link: (peers: readonly PeerAddress[]) => Promise<void>
}

/** Tries all ways at once, so that a slow one costs the others nothing. Resolves when each has ended; never rejects. */
export async function findPeers({ rendezvous, dht, link }: PeerFinders): Promise<void> {
  const byDht = async () => {
    const links: Promise<void>[] = []
    for await (const peer of dht()) links.push(link([peer]))
    await Promise.all(links)
  }
  await Promise.allSettled([rendezvous().then(link), byDht()])
}
