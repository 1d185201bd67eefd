/** What the provider knows of each request it got, and how the campaign asks it. */
import { request } from 'undici';

export interface ProviderRequest {
  nonce: string;
  /** The how-manieth request of its nonce, from 1. */
  nth: number;
  isStream: boolean;
  /** Work in the background: it goes on whoever leaves. */
  isJob: boolean;
  /** The provider was told to be slow with it, to refuse it or to break it off. */
  isDisturbed: boolean;
  receivedAt: number;
  /** Null while it is being answered. */
  endedAt: number | null;
  /** `whole`: every byte went to the connection. `refused`: 429 or 500. `cut`: anything less than the whole. */
  outcome: 'pending' | 'whole' | 'cut' | 'refused';
  billedInputTokens: number;
  billedOutputTokens: number;
  sentText: string;
}

export interface ProviderTruth {
  requests(): Promise<ProviderRequest[]>;
  /** The judged rounds are no longer needed. */
  forget(): Promise<void>;
}

export function askProvider(url: string): ProviderTruth {
  return {
    async requests() {
      const { body } = await request(`${url}/truth`);
      return ((await body.json()) as { requests: ProviderRequest[] }).requests;
    },
    async forget() {
      const { body } = await request(`${url}/truth`, { method: 'DELETE' });
      await body.dump();
    },
  };
}

export function isPaid({ billedInputTokens, billedOutputTokens }: ProviderRequest): boolean {
  return billedInputTokens + billedOutputTokens > 0;
}
