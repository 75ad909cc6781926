import { describe, it } from 'node:test'
import { endToEnd } from '../harness/requirements.ts'

// A process that speaks libp2p and the exchange protocol, but was never admitted: it dials an agent that holds a blob,
// opens the exchange protocol without a membership certificate, and asks for chunks. `Cluster` gives it an agent that
// holds an image, `cluster.addNetworkNode` a namespace to dial from.
describe('a stranger that speaks the protocol', endToEnd(), () => {
  it.todo('gets no chunk without a membership certificate')
})
