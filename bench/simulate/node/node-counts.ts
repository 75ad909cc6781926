/** What one node has sent and received so far. */
export class NodeCounts {
  /** Control messages sent. */
  messages = 0
  /** Bytes of control messages sent. */
  messageBytes = 0
  /** Payload received, of whatever use it was. */
  payloadBytes = 0
  /** Verified payload that was kept. */
  storedBytes = 0
  /** Chunks that were wrong and thrown away. */
  wrongChunks = 0
  /** By type of frame: messages, and their bytes. */
  readonly byType = new Map<string, { messages: number; bytes: number }>()

  sent(type: string, bytes: number): void {
    this.messages++
    this.messageBytes += bytes
    const known = this.byType.get(type)
    if (known === undefined) {
      this.byType.set(type, { messages: 1, bytes })
      return
    }
    known.messages++
    known.bytes += bytes
  }

  /** Begins anew: what came before the pulls does not count. */
  reset(): void {
    this.messages = 0
    this.messageBytes = 0
    this.payloadBytes = 0
    this.storedBytes = 0
    this.wrongChunks = 0
    this.byType.clear()
  }
}
