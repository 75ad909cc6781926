import type { Webhook } from '@shoal/registry'
import { ConfigurationError, describeError } from '../errors.ts'
import { type OptionValues, optional, repeated, structure } from '../options/option.ts'
import { FILE } from '../values/text.ts'
import { WEBHOOK_URL, WEBHOOKS, type WebhookConfig, webhookOf } from '../values/webhooks.ts'
import type { CommandContext } from './command.ts'

/** Options of `shoal registry` about where events are sent. */
export const WEBHOOK_OPTIONS = {
  webhook: repeated(WEBHOOK_URL, 'where every event but pulls is sent, in the docker-distribution format'),
  'webhook-secret-file': optional(FILE, 'a file with the secret that signs what --webhook sends'),
  webhooks: structure(WEBHOOKS, 'where which events are sent, and in which format')
} as const

/** What the registry is told of them. @throws ConfigurationError when a secret cannot be read */
export async function webhooksFrom(
  values: OptionValues<typeof WEBHOOK_OPTIONS>,
  context: Pick<CommandContext, 'readFile'>
): Promise<Webhook[]> {
  const secretFile = values['webhook-secret-file']
  const simple = [...new Set(values.webhook)].map((url) => ({
    ...webhookOf(url),
    ...(secretFile === undefined ? {} : { secretFile })
  }))
  return await Promise.all([...simple, ...(values.webhooks ?? [])].map(async (each) => await withSecret(each, context)))
}

async function withSecret(
  { secretFile, ...webhook }: WebhookConfig,
  context: Pick<CommandContext, 'readFile'>
): Promise<Webhook> {
  if (secretFile === undefined) return webhook
  let secret: string
  try {
    secret = (await context.readFile(secretFile)).trim()
  } catch (cause) {
    throw new ConfigurationError('secret-file', `cannot read ${secretFile}: ${describeError(cause)}`, { cause })
  }
  if (secret === '') throw new ConfigurationError('secret-file', `${secretFile} is empty; put the secret in it`)
  return { ...webhook, secret }
}
