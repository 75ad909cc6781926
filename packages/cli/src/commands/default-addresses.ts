/** Where an agent's mirror listens unless told otherwise. */
export const DEFAULT_AGENT_LISTEN = '127.0.0.1:5050'
export const DEFAULT_AGENT_URL = `http://${DEFAULT_AGENT_LISTEN}`
/** Where an agent's admin server listens unless told otherwise. */
export const DEFAULT_AGENT_ADMIN_LISTEN = '127.0.0.1:9501'
export const DEFAULT_AGENT_ADMIN_URL = `http://${DEFAULT_AGENT_ADMIN_LISTEN}`
/** Where the registry listens unless told otherwise: on all addresses, IPv4 and IPv6. */
export const DEFAULT_REGISTRY_LISTEN = '[::]:5000'
export const DEFAULT_REGISTRY_ADMIN_LISTEN = '127.0.0.1:9500'
export const DEFAULT_REGISTRY_ADMIN_URL = `http://${DEFAULT_REGISTRY_ADMIN_LISTEN}`
/** Where peers connect to, unless told otherwise: every address of the machine that is not public. */
export const DEFAULT_P2P_LISTEN = ':5001'
/** Where peers dial the direct lane, unless told otherwise: every address of the machine that is not public. */
export const DEFAULT_LANE_LISTEN = ':5002'
