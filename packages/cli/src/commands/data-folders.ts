/** Data folders unless told otherwise. */
export const DEFAULT_REGISTRY_DATA = '/var/lib/shoal/registry'
export const DEFAULT_STANDBY_DATA = '/var/lib/shoal/standby'
export const DEFAULT_AGENT_DATA = '/var/lib/shoal/agent'

/** Mode of data folders: they hold keys and private images. */
export const DATA_DIRECTORY_MODE = 0o700

/** What lies in a data folder. */
export const IDENTITY_FILE = 'identity'
export const JOIN_TOKEN_FILE = 'join-token'
export const ADMIN_PASSWORD_FILE = 'admin-password'
export const CONTENT_DIRECTORY = 'content'
export const DATASTORE_DIRECTORY = 'datastore'
export const TAGS_DIRECTORY = 'tags'
