/** All that a client saw of one request of its own. */
export interface Submission {
  nonce: string;
  /** Which client of the call made it, from 0. */
  client: number;
  isStream: boolean;
  isKeyed: boolean;
  startedAt: number;
  endedAt: number;
  callId: string | null;
  status: number | null;
  /** Text of the answer, as far as it came. */
  text: string;
  /** Of the stream's last event, as far as it came. */
  lastEventId: string | null;
  /**
   * `whole`: all of it, with its end mark. `error`: an error status, or an error event in a stream. `broken`: the
   * connection broke after the answer had begun. `silent`: a stream ended in good order without end mark or error.
   * `left`: the client went away. `nothing`: no answer at all.
   */
  end: 'whole' | 'error' | 'broken' | 'silent' | 'left' | 'nothing';
  errorCode: string | null;
  /** What the gateway says of asking again: `x-should-retry`, else as SDKs judge the status. */
  mayAskAgain: boolean;
  retryAfterMs: number;
}
