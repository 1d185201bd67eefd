import { describe, expect, it, vi } from 'vitest';
import type { OperatorConnection } from './search-attributes.ts';
import { registerSearchAttributes } from './search-attributes.ts';

const KEYWORD = 2;
const INT = 3;
const all = {
  HoldfastTenant: KEYWORD,
  HoldfastModel: KEYWORD,
  HoldfastProvider: KEYWORD,
  HoldfastKind: KEYWORD,
  HoldfastOutcome: KEYWORD,
  HoldfastCostNanoUsd: INT,
  HoldfastAttempts: INT,
};

/** A cluster whose registered attributes are those of `present`, one answer after the other. */
function cluster(
  present: Record<string, number>[],
  add = () => Promise.resolve({}),
  customSearchAttributeAliases: Record<string, string> = {},
) {
  const list = vi.fn();
  for (const customAttributes of present) list.mockResolvedValueOnce({ customAttributes });
  const addSearchAttributes = vi.fn((_: unknown) => add());
  const operatorService = { listSearchAttributes: list, addSearchAttributes };
  const describeNamespace = vi.fn(() => Promise.resolve({ config: { customSearchAttributeAliases } }));
  const workflowService = { describeNamespace };
  return {
    connection: { operatorService, workflowService } as unknown as OperatorConnection,
    list,
    addSearchAttributes,
  };
}

const refusal = (code: number, message: string) => Promise.reject(Object.assign(new Error(message), { code }));

describe('registering search attributes on a cluster', () => {
  it('adds what is missing and nothing else', async () => {
    const { HoldfastTenant, HoldfastAttempts, ...others } = all;
    const { connection, addSearchAttributes } = cluster([{ ...others, Foreign: 1 }]);
    await registerSearchAttributes(connection, 'llm');
    expect(addSearchAttributes).toHaveBeenCalledExactlyOnceWith({
      namespace: 'llm',
      searchAttributes: { HoldfastTenant, HoldfastAttempts },
    });
  });

  it('adds nothing when all are there', async () => {
    const { connection, addSearchAttributes } = cluster([all]);
    await registerSearchAttributes(connection, 'llm');
    expect(addSearchAttributes).not.toHaveBeenCalled();
  });

  it('is content when another node was faster', async () => {
    const { connection, list } = cluster([{}, all], () => refusal(6, 'already exists'));
    await registerSearchAttributes(connection, 'llm');
    expect(list).toHaveBeenCalledTimes(2);
  });

  it('names what an operator has to create when the cluster refuses', async () => {
    const { connection } = cluster([{}, {}], () => refusal(7, 'no permission'));
    await expect(registerSearchAttributes(connection, 'llm')).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringMatching(/no permission.*HoldfastTenant=KEYWORD.*HoldfastAttempts=INT/) as string,
    });
  });

  it('is content on a managed cluster, which has no operator service, once its operator has created them', async () => {
    const aliases = Object.fromEntries(Object.keys(all).map((name, n) => [`Field0${n}`, name]));
    const managed = cluster([], undefined, aliases);
    managed.list.mockImplementation(() => refusal(7, 'no permission'));
    await registerSearchAttributes(managed.connection, 'llm');
    expect(managed.addSearchAttributes).not.toHaveBeenCalled();

    const { Field00: _, ...others } = aliases;
    const incomplete = cluster([], undefined, others);
    incomplete.list.mockImplementation(() => refusal(7, 'no permission'));
    await expect(registerSearchAttributes(incomplete.connection, 'llm')).rejects.toThrow(
      /create: HoldfastTenant=KEYWORD\.$/,
    );
  });

  it('refuses an attribute that exists with another type', async () => {
    const { connection } = cluster([{ ...all, HoldfastAttempts: KEYWORD }]);
    await expect(registerSearchAttributes(connection, 'llm')).rejects.toThrow(/HoldfastAttempts.*another type/);
  });

  it('lets an outage through as it is, for the caller to try again', async () => {
    const { connection, list } = cluster([]);
    list.mockImplementationOnce(() => refusal(14, 'unavailable'));
    await expect(registerSearchAttributes(connection, 'llm')).rejects.toMatchObject({ code: 14 });
  });
});
