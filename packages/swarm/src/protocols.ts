/** A node shows its join token to the registry. */
export const ADMISSION_PROTOCOL = '/shoal/admission/1.0.0'
/** An agent tells the registry what it wants and has. */
export const RENDEZVOUS_PROTOCOL = '/shoal/rendezvous/1.0.0'
