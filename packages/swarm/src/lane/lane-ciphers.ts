/**
 * The TLS 1.3 cipher suites of the direct lane, in order of preference: AES with a 128-bit key is the fastest where the
 * processor helps, ChaCha20 where it does not (RFC 8446 B.4).
 */
export const LANE_CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256'
