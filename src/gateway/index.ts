/** `holdfast/gateway`: a node with its HTTP door, to be started from other programs. */
export { startEmbedded, type EmbeddedHoldfast, type EmbeddedOptions } from './embedded.ts';
export { startNode, type HoldfastNode, type NodeOptions } from './node.ts';
