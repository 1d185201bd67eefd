/** How long an attempt that has its answer, or its failure, tries to get it into a ledger that does not answer. */
export const RECORD_PATIENCE_MS = 120_000;

/** Time beyond a call's deadline for its attempt to report. More than it may need to be recorded, or an answer that was paid for would lose to the deadline. */
export const REPORT_GRACE_MS = RECORD_PATIENCE_MS + 30_000;
