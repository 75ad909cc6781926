import { REGISTRY_HOST } from '../containerd/registry-host.ts'
import { defaulted, optional, repeated, required } from '../options/option.ts'
import { ADDRESS, formatAddress } from '../values/address.ts'
import { choice } from '../values/choice.ts'
import { MESH_ADDRESS } from '../values/mesh-address.ts'
import { RATE, SIZE } from '../values/size.ts'
import { DIRECTORY, NAME } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS, loggerFrom, logOptions } from './common-options.ts'
import { DEFAULT_AGENT_DATA } from './data-folders.ts'
import { DEFAULT_AGENT_ADMIN_LISTEN, DEFAULT_AGENT_LISTEN, DEFAULT_P2P_LISTEN } from './default-addresses.ts'
import { JOIN_TOKEN_OPTIONS, readJoinToken } from './join-token-option.ts'
import { LANE_OPTIONS, laneFrom } from './lane-options.ts'
import { serve } from './serve.ts'

/** Size of an agent's store from which old blobs make room for new ones. */
export const DEFAULT_CACHE_SIZE = '50GiB'

const DEFAULT_PREFETCH = 'on'

/** `shoal agent`: runs a node's mirror. */
export const agentCommand = defineCommand({
  words: ['agent'],
  summary: "run a node's mirror: its container runtime pulls through it, and it trades chunks with other agents",
  options: {
    data: defaulted(DIRECTORY, DEFAULT_AGENT_DATA, 'folder of everything that it keeps'),
    registry: required(SERVER_URL, 'the registry of the mesh'),
    'registry-name': repeated(REGISTRY_HOST, 'another name, HOST[:PORT], under which images name that registry'),
    ...JOIN_TOKEN_OPTIONS,
    listen: defaulted(ADDRESS, DEFAULT_AGENT_LISTEN, 'where the container runtime pulls'),
    'p2p-listen': defaulted(
      MESH_ADDRESS,
      DEFAULT_P2P_LISTEN,
      'where peers connect; without a host, on all private addresses'
    ),
    ...LANE_OPTIONS,
    'admin-listen': defaulted(ADDRESS, DEFAULT_AGENT_ADMIN_LISTEN, 'where health, metrics and status are'),
    zone: optional(NAME, 'where the node is, such as an availability zone: chunks cross into each about once'),
    'cache-size': defaulted(SIZE, DEFAULT_CACHE_SIZE, 'how much is kept before the blobs used longest ago are removed'),
    'upload-rate': optional(RATE, 'most bytes per second that it sends to peers (default no limit)'),
    'download-rate': optional(RATE, 'most bytes per second that it asks of peers (default no limit)'),
    prefetch: defaulted(
      choice('on', 'off'),
      DEFAULT_PREFETCH,
      'fetch the layers of an image as soon as its manifest was asked for'
    ),
    ...logOptions('info'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const joinToken = await readJoinToken(values, context)
    const logger = await loggerFrom(values, context)
    const { startAgent } = await import('../compose/agent-process.ts')
    const agent = await startAgent({
      directory: values.data,
      registryUrl: values.registry,
      registryNames: values['registry-name'].map(({ name }) => name),
      joinToken,
      listen: values.listen,
      p2pListen: values['p2p-listen'],
      lane: laneFrom(values),
      adminListen: values['admin-listen'],
      zone: values.zone ?? '',
      cacheBytes: values['cache-size'],
      uploadRate: values['upload-rate'],
      downloadRate: values['download-rate'],
      prefetch: values.prefetch === 'on',
      logger
    })
    logger.info(
      {
        mirror: formatAddress(agent.address),
        admin: formatAddress(agent.adminAddress),
        mesh: agent.meshAddresses,
        peerId: agent.peerId
      },
      'the agent serves pulls'
    )
    return await serve(agent, context.signal, logger)
  }
})
