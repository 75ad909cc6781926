import type { StreamMuxerFactory } from '@libp2p/interface'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'
import { WindowUpdates } from './window-updates.ts'

/**
 * Yamux that does not answer every frame with a window update. `@libp2p/yamux` does, so that each short message costs two:
 * encrypted, written, read and decrypted. Updates are saved up until they matter to the peer.
 */
export function sparingYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  return () => {
    const factory = yamux(init)()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = create(connection)
      spare(muxer)
      return muxer
    }
    return factory
  }
}

function spare(muxer: ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>): void {
  const updates = new WindowUpdates()
  const send = muxer.send.bind(muxer)
  muxer.send = (frame) => {
    let mayGoOn = true
    for (const passed of updates.pass(frame)) mayGoOn = send(passed)
    return mayGoOn
  }
}
