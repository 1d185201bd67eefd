/** From the model that a caller names to the targets that may serve it. */
import { HoldfastError } from '../core/errors.ts';
import type { RouteSettings, Settings } from '../core/settings.ts';

/**
 * The route of an alias, or the one-target route of `provider/model`.
 * @throws HoldfastError `not_found` when the name is neither.
 */
export function routeOf(
  settings: Pick<Settings, 'models' | 'providers' | 'defaultRoute'>,
  model: string,
): RouteSettings {
  const alias = settings.models.get(model);
  if (alias) return alias;
  const slash = model.indexOf('/');
  const provider = model.slice(0, slash);
  if (slash > 0 && slash < model.length - 1 && settings.providers.has(provider)) {
    return { ...settings.defaultRoute, targets: [{ provider, model: model.slice(slash + 1) }] };
  }
  throw new HoldfastError('not_found', `The model "${shorten(model)}" does not exist. ${known(settings)}`, {
    param: 'model',
  });
}

function known({ models, providers }: Pick<Settings, 'models' | 'providers'>): string {
  return `Use one of: ${[...models.keys()].slice(0, 20).join(', ') || '(no aliases)'}; or provider/model with one of: ${[...providers.keys()].slice(0, 20).join(', ')}.`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
