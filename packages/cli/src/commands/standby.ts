import { defaulted, optional, required } from '../options/option.ts'
import { ADDRESS, formatAddress } from '../values/address.ts'
import { choice } from '../values/choice.ts'
import { MESH_ADDRESS } from '../values/mesh-address.ts'
import { RATE } from '../values/size.ts'
import { DIRECTORY, NAME } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS, loggerFrom, logOptions } from './common-options.ts'
import { DEFAULT_STANDBY_DATA } from './data-folders.ts'
import { DEFAULT_P2P_LISTEN, DEFAULT_REGISTRY_ADMIN_LISTEN, DEFAULT_REGISTRY_LISTEN } from './default-addresses.ts'
import { JOIN_TOKEN_OPTIONS, readJoinToken } from './join-token-option.ts'
import { LANE_OPTIONS, laneFrom } from './lane-options.ts'
import { serve } from './serve.ts'

const DEFAULT_ANONYMOUS = 'pull'

/** `shoal standby`: serves a backup. */
export const standbyCommand = defineCommand({
  words: ['standby'],
  summary: 'serve a backup read-only beside its registry: pulls, and chunks for the mesh',
  details:
    'It reads the folder that "shoal backup" writes, and every newer backup in it. When the registry is gone, clients that reach this one under its name go on pulling, and nodes get chunks from it as from any peer. It admits no new nodes.',
  options: {
    backup: required(DIRECTORY, 'the folder that "shoal backup" writes'),
    data: defaulted(DIRECTORY, DEFAULT_STANDBY_DATA, 'folder of what it keeps itself'),
    registry: required(SERVER_URL, 'the registry that the backup is of'),
    ...JOIN_TOKEN_OPTIONS,
    listen: defaulted(ADDRESS, DEFAULT_REGISTRY_LISTEN, 'where clients pull'),
    'p2p-listen': defaulted(
      MESH_ADDRESS,
      DEFAULT_P2P_LISTEN,
      'where peers connect; without a host, on all private addresses'
    ),
    ...LANE_OPTIONS,
    'admin-listen': defaulted(ADDRESS, DEFAULT_REGISTRY_ADMIN_LISTEN, 'where health, metrics and status are'),
    anonymous: defaulted(choice('none', 'pull'), DEFAULT_ANONYMOUS, 'what callers without credentials may do'),
    zone: optional(NAME, 'where it is, such as an availability zone'),
    'upload-rate': optional(RATE, 'most bytes per second that it sends to peers (default no limit)'),
    ...logOptions('info'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const joinToken = await readJoinToken(values, context)
    const logger = await loggerFrom(values, context)
    const { startStandby } = await import('../compose/standby-process.ts')
    const standby = await startStandby({
      directory: values.data,
      backup: values.backup,
      registryUrl: values.registry,
      joinToken,
      listen: values.listen,
      p2pListen: values['p2p-listen'],
      lane: laneFrom(values),
      adminListen: values['admin-listen'],
      anonymous: values.anonymous,
      zone: values.zone ?? '',
      uploadRate: values['upload-rate'],
      logger
    })
    logger.info(
      { address: formatAddress(standby.address), admin: formatAddress(standby.adminAddress), peerId: standby.peerId },
      'the standby serves pulls'
    )
    return await serve(standby, context.signal, logger)
  }
})
