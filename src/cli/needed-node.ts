/** The oldest major version of Node that runs Holdfast. */
export const NEEDED_NODE = 24;
