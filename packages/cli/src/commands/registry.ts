import { defaulted, optional, structure, toggle } from '../options/option.ts'
import { ADDRESS, formatAddress } from '../values/address.ts'
import { choice } from '../values/choice.ts'
import { count } from '../values/count.ts'
import { MESH_ADDRESS } from '../values/mesh-address.ts'
import { POLICIES } from '../values/policies.ts'
import { RATE } from '../values/size.ts'
import { DIRECTORY, NAME } from '../values/text.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS, loggerFrom, logOptions } from './common-options.ts'
import { CONTENT_OPTIONS, contentFrom } from './content-options.ts'
import { DEFAULT_REGISTRY_DATA } from './data-folders.ts'
import { DEFAULT_P2P_LISTEN, DEFAULT_REGISTRY_ADMIN_LISTEN, DEFAULT_REGISTRY_LISTEN } from './default-addresses.ts'
import { LANE_OPTIONS, laneFrom } from './lane-options.ts'
import { serve } from './serve.ts'
import { UPSTREAM_OPTIONS, upstreamsFrom } from './upstream-options.ts'
import { WEBHOOK_OPTIONS, webhooksFrom } from './webhook-options.ts'

const DEFAULT_ANONYMOUS = 'pull'
const MAX_SEED_COPIES = 10_000

/** `shoal registry`: runs the registry. */
export const registryCommand = defineCommand({
  words: ['registry'],
  summary: 'run the registry: it holds the artifacts, admits nodes to the mesh and seeds every blob',
  details:
    'At its first start it makes an identity, a join token and a password for the user "admin" in its data folder, and says where they are.',
  options: {
    data: defaulted(DIRECTORY, DEFAULT_REGISTRY_DATA, 'folder of everything that it keeps'),
    listen: defaulted(ADDRESS, DEFAULT_REGISTRY_LISTEN, 'where clients push and pull'),
    'p2p-listen': defaulted(
      MESH_ADDRESS,
      DEFAULT_P2P_LISTEN,
      'where peers connect; without a host, on all private addresses'
    ),
    ...LANE_OPTIONS,
    'admin-listen': defaulted(ADDRESS, DEFAULT_REGISTRY_ADMIN_LISTEN, 'where health, metrics and status are'),
    anonymous: defaulted(choice('none', 'pull', 'push'), DEFAULT_ANONYMOUS, 'what callers without credentials may do'),
    ...CONTENT_OPTIONS,
    ...UPSTREAM_OPTIONS,
    zone: optional(NAME, 'where it is, such as an availability zone: chunks cross into each about once'),
    'upload-rate': optional(RATE, 'most bytes per second that it sends to peers (default no limit)'),
    'seed-copies': optional(
      count(1, MAX_SEED_COPIES),
      'how often it sends a chunk to peers at most (default as often as they need)'
    ),
    policies: structure(POLICIES, 'which tags to keep, which may not move, how large repositories may become'),
    ...WEBHOOK_OPTIONS,
    'read-only': toggle('refuse every push and delete as long as it runs; pulls go on'),
    ...logOptions('info'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const logger = await loggerFrom(values, context)
    const { startRegistry } = await import('../compose/registry-process.ts')
    const registry = await startRegistry({
      directory: values.data,
      listen: values.listen,
      p2pListen: values['p2p-listen'],
      lane: laneFrom(values),
      adminListen: values['admin-listen'],
      anonymous: values.anonymous,
      content: contentFrom(values),
      upstreams: await upstreamsFrom(values, context),
      zone: values.zone ?? '',
      uploadRate: values['upload-rate'],
      seedCopies: values['seed-copies'],
      policies: values.policies ?? [],
      webhooks: await webhooksFrom(values, context),
      readOnly: values['read-only'] ? 'it was started with --read-only' : undefined,
      logger
    })
    const { joinTokenFile, adminPasswordFile } = registry
    logger.info(
      {
        address: formatAddress(registry.address),
        admin: formatAddress(registry.adminAddress),
        mesh: registry.meshAddresses,
        peerId: registry.peerId
      },
      'the registry is ready'
    )
    logger.info({ joinTokenFile, adminPasswordFile }, `nodes join with the token in ${joinTokenFile}`)
    return await serve(registry, context.signal, logger)
  }
})
