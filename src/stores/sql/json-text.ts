/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- the caller names the type that it wrote */
/** JSON columns that only this ledger writes: what comes out has the type that went in. */
export function fromJsonText<T>(text: string): T {
  return JSON.parse(text) as T;
}

export function fromNullableJsonText<T>(text: string | null): T | null {
  return text === null ? null : fromJsonText<T>(text);
}

export function toNullableJsonText(value: object | null | undefined): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}
