/** Puts the message and the stack of a failure into a payload, so that the codec seals them. Loaded by its path. */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
